//! A forgotten password: a code by mail, good once and for half an hour, and another password for it.
//!
//! Whether an address belongs to anybody is not told, by no word and by no delay: the answer is given
//! before anything is looked up. A project's door sends no code for somebody who may operate anything: the
//! page that a project's mail leads to is the project's own, and their password opens more than that.

use std::net::IpAddr;

use serde::Deserialize;

use super::{AccountError, Accounts, Door, Password, network};
use crate::registry::audit::{Author, on_behalf};
use crate::registry::email::Email;
use crate::registry::password_resets::{self, ResetToken};
use crate::registry::reset_letter::Letter;

/// A code, and the password to come.
#[derive(Clone, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PasswordReset {
    token: String,
    password: String,
}

impl std::fmt::Debug for PasswordReset {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PasswordReset(…)")
    }
}

impl Accounts {
    /// Sends a code to an address, if somebody is there who may have one.
    ///
    /// # Errors
    /// `Invalid` for what is no address; `TooMany`.
    pub fn forgot(&self, door: Door<'_>, email: String, from: IpAddr) -> Result<(), AccountError> {
        let email: Email = email
            .parse()
            .map_err(|error| AccountError::invalid("email", error))?;
        self.count(&self.resets_from_address, network(from))?;
        self.count(&self.resets_of_email, &email)?;
        let letter = match door {
            Door::Control => Letter {
                sender: self.mail_from.clone(),
                link: None,
                name: "this KoyaLite server".to_owned(),
                words: self.reset_words.clone(),
            },
            Door::Project(project) => Letter {
                sender: None,
                link: project.settings.password_reset_url.clone(),
                name: project.name.to_string(),
                words: self.reset_words.clone(),
            },
        };
        let (registry, scope) = (std::sync::Arc::clone(&self.registry), door.scope());
        let author = Author {
            actor: "anonymous".to_owned(),
            request: None,
        };
        tokio::spawn(on_behalf(author, async move {
            if let Err(error) = password_resets::ask(&registry, &email, scope, &letter).await {
                tracing::error!(
                    error = error.detail(),
                    "a forgotten password could not be helped"
                );
            }
        }));
        Ok(())
    }

    /// Gives whoever has the code another password; all their sessions end.
    ///
    /// # Errors
    /// `ResetOver`, `Invalid`, `TooMany`, `Busy`.
    pub async fn reset(
        &self,
        door: Door<'_>,
        wanted: PasswordReset,
        from: IpAddr,
    ) -> Result<(), AccountError> {
        let (token, password) = (
            ResetToken::new(wanted.token),
            Password::claimed(wanted.password),
        );
        password
            .check_new()
            .map_err(|error| AccountError::invalid("password", error))?;
        let address = network(from);
        self.count(&self.failures_from_address, address)?;
        // To hash is work, and not to be had for any code.
        if !password_resets::is_good(&self.registry, &token, door.scope()).await? {
            return Err(AccountError::ResetOver);
        }
        self.failures_from_address.give_back(address);
        let hash = self.hash(password).await?;
        match password_resets::spend(&self.registry, &token, door.scope(), &hash).await? {
            Some(user) => {
                tracing::info!(%user, "a password was reset");
                Ok(())
            }
            None => Err(AccountError::ResetOver),
        }
    }
}
