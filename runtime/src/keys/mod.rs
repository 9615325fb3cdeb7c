//! Secrets at rest (the key ring) and tokens in flight (issuing and verifying JWTs).
//!
//! `ring` encrypts every recoverable secret before it is written to a database, and derives the
//! keys that the process signs with. `token` issues and verifies JWTs for one audience; `control`
//! builds the operators' tokens on both. Key material never leaves these modules in the clear,
//! is wiped when dropped and never printed.
//!
//! No token, whoever signed it, can make its bearer the service identity: a verified token is a
//! subject and claims, and the service identity is made by the host alone.

pub mod api_key;
pub mod bearer;
pub mod control;
pub mod dkim;
mod file_url;
mod preview_url;
mod private_file;
pub mod ring;
pub mod sealed;
mod secret;
pub mod signature;
pub mod token;
pub mod token_file;

pub use self::api_key::{ApiKey, KeyHash};
pub use self::bearer::bearer;
pub use self::control::{ControlAuthority, ControlRole, ControlToken, Presented, Right};
pub use self::dkim::{DkimAlgorithm, DkimKey};
pub use self::file_url::FileUrls;
pub use self::preview_url::{PREVIEW, Preview};
pub use self::private_file::FileError;
pub use self::ring::{KeyRing, Purpose, RingError};
pub use self::sealed::{Context, Sealed};
pub use self::secret::SecretKey;
pub use self::signature::{Signature, WebhookKey};
pub use self::token::{Audience, Grant, SigningKey, Token, TokenError, TrustedKey, VerifiedToken};
