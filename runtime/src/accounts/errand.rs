//! What the users of a project's functions come for, one by one: the whole of a project's door.

use std::net::IpAddr;
use std::sync::Arc;

use uuid::Uuid;

use super::{AccountError, Accounts, Claimed, Door, PasswordChange, PasswordReset, SignedIn};
use crate::registry::sessions::{self, RefreshToken, Scope};
use crate::registry::users::{self, User};
use crate::registry::{ProjectEntry, members};

/// What somebody wants of a project's door.
#[derive(Debug, Clone)]
pub enum Errand {
    /// An account.
    SignUp(Claimed),
    /// A session.
    SignIn(Claimed),
    /// The next access token.
    Refresh(RefreshToken),
    /// The end of this session.
    SignOut(Uuid),
    /// Another password, in this session.
    Password(Uuid, PasswordChange),
    /// A code for another password, by mail to this address.
    Forgot(String),
    /// Another password, by the code.
    Reset(PasswordReset),
    /// To know whose session this is.
    User(Uuid),
}

/// What they got.
pub enum Done {
    /// A new account, signed in.
    SignedUp(Box<SignedIn>),
    /// Tokens.
    SignedIn(Box<SignedIn>),
    /// The end of the session.
    SignedOut,
    /// Another password.
    PasswordSet,
    /// No word about what will come of it.
    Asked,
    /// Who they are, with their role in the project.
    User(User),
}

impl Accounts {
    /// Runs an errand at a project's door.
    ///
    /// # Errors
    /// See [`AccountError`].
    pub async fn run(
        &self,
        project: Arc<ProjectEntry>,
        errand: Errand,
        from: IpAddr,
    ) -> Result<Done, AccountError> {
        let door = Door::Project(&project);
        match errand {
            Errand::SignUp(claimed) => {
                let signed_in = self.sign_up(door, claimed, from).await?;
                Ok(Done::SignedUp(Box::new(signed_in)))
            }
            Errand::SignIn(claimed) => {
                let signed_in = self.sign_in(door, claimed, from).await?;
                Ok(Done::SignedIn(Box::new(signed_in)))
            }
            Errand::Refresh(token) => {
                let signed_in = self.refresh(door, token).await?;
                Ok(Done::SignedIn(Box::new(signed_in)))
            }
            Errand::SignOut(session) => {
                let user = self.member_in(&project, session).await?;
                self.sign_out(door, (user.id, session)).await?;
                Ok(Done::SignedOut)
            }
            Errand::Password(session, wanted) => {
                let user = self.member_in(&project, session).await?;
                self.change_password((user.id, session), wanted, from)
                    .await?;
                Ok(Done::PasswordSet)
            }
            Errand::Forgot(email) => {
                self.forgot(door, email, from)?;
                Ok(Done::Asked)
            }
            Errand::Reset(wanted) => {
                self.reset(door, wanted, from).await?;
                Ok(Done::PasswordSet)
            }
            Errand::User(session) => Ok(Done::User(self.member_in(&project, session).await?)),
        }
    }

    /// Whose session it is, at this door, as long as it lasts.
    async fn member_in(&self, project: &ProjectEntry, session: Uuid) -> Result<User, AccountError> {
        let scope = Scope::Project(project.id);
        let user = sessions::user(&self.registry, session, scope).await?;
        let user = user.ok_or(AccountError::SessionOver)?;
        let role = members::role_of(&self.registry, project.id, user).await?;
        let role = role.ok_or(AccountError::SessionOver)?;
        let user = users::get(&self.registry, user).await?;
        Ok(User { role, ..user })
    }
}
