//! People with accounts: they sign up, sign in, stay signed in and sign out, at one of two doors.
//!
//! [`Door::Control`] is the control API, [`Door::Project`] the functions of one project; a token of
//! one opens no other. The users behind both are the same. This module weighs passwords and attempts;
//! what is stored is in `registry::{users, sessions, members}`, and HTTP is spoken by `control` and
//! `gateway`. No password and no refresh token is kept or logged.

mod access;
mod errand;
mod error;
pub mod limits;
mod password;
mod reset;
mod throttle;

use std::hash::Hash;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::Deserialize;
use uuid::Uuid;

pub use self::access::{Door, SignedIn};
pub use self::errand::{Done, Errand};
pub use self::error::AccountError;
use self::limits as max;
pub use self::password::Password;
use self::password::{Compared, HashError, Hashing};
pub use self::reset::PasswordReset;
use self::throttle::Throttle;
use crate::keys::ControlAuthority;
use crate::registry::audit::{self, Action, Chain, Deed};
use crate::registry::email::Email;
use crate::registry::mail::templates::NewTemplate;
use crate::registry::roles::BuiltInRole;
use crate::registry::sessions::{self, RefreshToken, Refreshed};
use crate::registry::users::{self, Keep, NewUser, PasswordHash, User};
use crate::registry::{Registry, members};

/// Whether people may make accounts of the control API for themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignUp {
    /// Anybody may, and gets the role `member`.
    Open,
    /// Administrators make accounts.
    Closed,
}

/// What somebody signs up or in with.
#[derive(Clone, Deserialize, utoipa::ToSchema)]
#[schema(as = Credentials)]
pub struct Claimed {
    email: String,
    password: String,
}

/// A password and the one to come.
#[derive(Clone, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PasswordChange {
    current: String,
    new: String,
}

impl std::fmt::Debug for PasswordChange {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PasswordChange(…)")
    }
}

impl std::fmt::Debug for Claimed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Claimed(…)")
    }
}

/// The door to all accounts. One per node.
pub struct Accounts {
    registry: Arc<Registry>,
    authority: ControlAuthority,
    sign_up: SignUp,
    hashing: Hashing,
    failures_of_email: Throttle,
    failures_from_address: Throttle,
    sign_ups_from_address: Throttle,
    resets_of_email: Throttle,
    resets_from_address: Throttle,
    /// The address that operators' mail comes from; none: there is none.
    mail_from: Option<String>,
    /// What mails with codes say where a project has no words of its own; none: ours.
    reset_words: Option<NewTemplate>,
    started: Instant,
}

impl Accounts {
    /// Accounts in that registry; control tokens by that authority.
    #[must_use]
    pub fn new(registry: Arc<Registry>, authority: ControlAuthority, sign_up: SignUp) -> Self {
        let throttle = |burst, interval| Throttle::new(max::THROTTLE_PLACES, burst, interval);
        Self {
            registry,
            authority,
            sign_up,
            hashing: Hashing::new(),
            failures_of_email: throttle(max::FAILURES_PER_EMAIL, max::FAILURE_INTERVAL_PER_EMAIL),
            failures_from_address: throttle(
                max::FAILURES_PER_ADDRESS,
                max::FAILURE_INTERVAL_PER_ADDRESS,
            ),
            sign_ups_from_address: throttle(
                max::SIGN_UPS_PER_ADDRESS,
                max::SIGN_UP_INTERVAL_PER_ADDRESS,
            ),
            resets_of_email: throttle(max::RESETS_PER_EMAIL, max::RESET_INTERVAL_PER_EMAIL),
            resets_from_address: throttle(max::RESETS_PER_ADDRESS, max::RESET_INTERVAL_PER_ADDRESS),
            mail_from: None,
            reset_words: None,
            started: Instant::now(),
        }
    }

    /// The same, with mail to operators from this address, and these words in mails about forgotten
    /// passwords.
    #[must_use]
    pub fn writing(self, (mail_from, reset_words): (Option<String>, Option<NewTemplate>)) -> Self {
        Self {
            mail_from,
            reset_words,
            ..self
        }
    }

    /// Makes an account and signs it in.
    ///
    /// # Errors
    /// `SignUpOff`, `Invalid`, `TooMany`, `Busy`, and where the e-mail is taken.
    pub async fn sign_up(
        &self,
        door: Door<'_>,
        claimed: Claimed,
        from: IpAddr,
    ) -> Result<SignedIn, AccountError> {
        if !self.is_open(door).await? {
            return Err(AccountError::SignUpOff);
        }
        let (email, password) = claimed.read()?;
        password
            .check_new()
            .map_err(|error| AccountError::invalid("password", error))?;
        self.count(&self.sign_ups_from_address, network(from))?;
        let new = NewUser {
            email,
            hashed_password: Some(self.hash(password).await?),
            role: BuiltInRole::Member.name().to_owned(),
        };
        let (user, session) = members::sign_up(&self.registry, &new, door.scope()).await?;
        tracing::info!(user = %user.id, "somebody signed up");
        self.signed_in(door, user, session).await
    }

    async fn is_open(&self, door: Door<'_>) -> Result<bool, AccountError> {
        match door {
            Door::Control => Ok(self.sign_up == SignUp::Open),
            Door::Project(project) => Ok(members::is_open(&self.registry, project.id).await?),
        }
    }

    /// Opens a session for whoever knows the password.
    ///
    /// # Errors
    /// `WrongCredentials`, `TooMany`, `Busy`, `NotAMember`.
    pub async fn sign_in(
        &self,
        door: Door<'_>,
        claimed: Claimed,
        from: IpAddr,
    ) -> Result<SignedIn, AccountError> {
        let (email, password) = claimed.read().map_err(|_| AccountError::WrongCredentials)?;
        let user = self.recognise(&email, password, from).await?;
        if let Door::Project(project) = door {
            let open = members::is_open(&self.registry, project.id).await?;
            match members::role_of(&self.registry, project.id, user.id).await? {
                Some(_) => {}
                None if open => members::join(&self.registry, project.id, user.id).await?,
                None => return Err(AccountError::NotAMember),
            }
        }
        let session = sessions::open(&self.registry, user.id, door.scope()).await?;
        self.signed_in(door, user, session).await
    }

    /// The user of that e-mail, if the password is theirs. A try is paid for before it is made and
    /// given back when it was right.
    async fn recognise(
        &self,
        email: &Email,
        password: Password,
        from: IpAddr,
    ) -> Result<User, AccountError> {
        let address = network(from);
        self.count(&self.failures_from_address, address)?;
        if let Err(refused) = self.count(&self.failures_of_email, email) {
            tracing::warn!(%from, "attempts to sign in are slowed down");
            return Err(refused);
        }
        let known = users::credentials(&self.registry, email).await?;
        let hash = known.as_ref().map(|known| known.hash.clone());
        let compared = self
            .hashing
            .compare(password, hash)
            .await
            .map_err(refused)?;
        let (known, rehashed) = match (known, compared) {
            (Some(known), Compared::Right) => (known, None),
            (Some(known), Compared::RightAndRehashed(hash)) => (known, Some(hash)),
            (Some(_) | None, _) => {
                tracing::info!(%from, "somebody could not sign in");
                let deed = Deed::new(Action::SignInFailed, email.as_str());
                let deed = deed.with("from", from.to_string());
                audit::refused(&self.registry, Chain::Installation, deed).await;
                return Err(AccountError::WrongCredentials);
            }
        };
        self.failures_from_address.give_back(address);
        self.failures_of_email.give_back(email);
        if let Some(hash) = rehashed {
            let before = (known.user.id, &known.hash);
            users::replace_password(&self.registry, before, &hash, Keep::All).await?;
        }
        Ok(known.user)
    }

    /// A new access token for a refresh token, and the next one of those.
    ///
    /// # Errors
    /// `SessionOver`, `Reused`.
    pub async fn refresh(
        &self,
        door: Door<'_>,
        token: RefreshToken,
    ) -> Result<SignedIn, AccountError> {
        match sessions::refresh(&self.registry, &token, door.scope()).await? {
            Refreshed::Fresh(session) => {
                let user = users::get(&self.registry, session.user).await?;
                self.signed_in(door, user, session).await
            }
            Refreshed::Over => Err(AccountError::SessionOver),
            Refreshed::Reused { user } => {
                tracing::warn!(%user, "a used refresh token was shown again; its session is over");
                Err(AccountError::Reused)
            }
        }
    }

    /// Ends a session, named by its user and its id.
    ///
    /// # Errors
    /// Where the database is away.
    pub async fn sign_out(
        &self,
        door: Door<'_>,
        session: (Uuid, Uuid),
    ) -> Result<(), AccountError> {
        Ok(sessions::end(&self.registry, session, door.scope()).await?)
    }

    /// Changes the password of a user who knows the current one; their other sessions end.
    ///
    /// # Errors
    /// `WrongCredentials`, `Invalid`, `TooMany`, `Busy`.
    pub async fn change_password(
        &self,
        (user, session): (Uuid, Uuid),
        wanted: PasswordChange,
        from: IpAddr,
    ) -> Result<(), AccountError> {
        let new = Password::claimed(wanted.new);
        new.check_new()
            .map_err(|error| AccountError::invalid("new", error))?;
        let user = users::get(&self.registry, user).await?;
        let email = user
            .email
            .parse()
            .map_err(|_| AccountError::WrongCredentials)?;
        self.recognise(&email, Password::claimed(wanted.current), from)
            .await?;
        let before = users::credentials(&self.registry, &email).await?;
        let before = before.ok_or(AccountError::WrongCredentials)?.hash;
        let after = self.hash(new).await?;
        let keep = Keep::Only(session);
        users::replace_password(&self.registry, (user.id, &before), &after, keep).await?;
        tracing::info!(user = %user.id, "a password was changed");
        Ok(())
    }

    /// The hash of a new password that an administrator sets.
    ///
    /// # Errors
    /// `Invalid`, `Busy`.
    pub async fn hash_new(&self, password: Password) -> Result<PasswordHash, AccountError> {
        password
            .check_new()
            .map_err(|error| AccountError::invalid("password", error))?;
        self.hash(password).await
    }

    async fn hash(&self, password: Password) -> Result<PasswordHash, AccountError> {
        self.hashing.hash(password).await.map_err(refused)
    }

    fn count(&self, throttle: &Throttle, key: impl Hash) -> Result<(), AccountError> {
        let now: Duration = self.started.elapsed();
        throttle
            .take(key, now)
            .map_err(|refused| AccountError::TooMany {
                retry_after: refused.retry_after,
            })
    }
}

impl Claimed {
    /// An address and a password, as somebody sent them.
    #[must_use]
    pub fn new(email: String, password: String) -> Self {
        Self { email, password }
    }

    fn read(self) -> Result<(Email, Password), AccountError> {
        let email = self.email.parse();
        let email = email.map_err(|error| AccountError::invalid("email", error))?;
        Ok((email, Password::claimed(self.password)))
    }
}

fn refused(error: HashError) -> AccountError {
    match error {
        HashError::Busy => AccountError::Busy,
        HashError::Failed => AccountError::Internal("a password could not be hashed"),
    }
}

/// What one customer of a network provider has: with IPv6 that is a whole /64.
fn network(address: IpAddr) -> (u8, u64) {
    match address.to_canonical() {
        IpAddr::V4(four) => (4, u64::from(u32::from(four))),
        IpAddr::V6(six) => {
            let high = u128::from(six) >> 64;
            (6, u64::try_from(high).unwrap_or_default())
        }
    }
}
