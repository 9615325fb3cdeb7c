//! Mail in the control database: who a project sends as, its templates, who takes no mail, and what became
//! of every message.
//!
//! `senders` (and `dkim`, which signs for them), `templates` and `suppressions` are for operators, `messages` shows and repeats, `bounces` notes what
//! came back, `due` is what
//! the worker of [`crate::delivery`] asks. Messages are written by the statements of tenants, in functions
//! that the migrations make.

pub mod bounces;
pub mod dkim;
pub(crate) mod due;
pub mod messages;
pub mod senders;
pub mod suppressions;
pub mod templates;
