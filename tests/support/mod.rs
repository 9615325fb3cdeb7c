//! What the stories in `all/` are told with: a real server, real HTTP, a real Postgres.
//!
//! [`TestApp`] is a `koyalite` process of its own; [`Project`] is a tenant in it, one per test, so
//! that tests share a process without seeing each other. [`Call`] is a request and [`Answer`] what
//! came back. Nothing here is a stand-in for a part of the product.

mod answer;
mod app;
mod at_exit;
mod bucket;
mod call;
mod chance;
mod command_line;
mod database;
mod file_server;
mod guests;
mod launch;
mod mail_server;
mod message;
mod odd_components;
mod peer;
mod pooler;
mod process;
mod project;
mod raw;
mod receiver;
mod schemas;
mod secure;
mod settings;
mod single;
mod skew;
mod wait;
mod wire;

pub(crate) use answer::Answer;
pub(crate) use app::{Shared, TestApp};
pub(crate) use bucket::Bucket;
pub(crate) use call::Call;
pub(crate) use chance::Chance;
pub(crate) use command_line::{CommandLine, Finished};
pub(crate) use database::{Database, own_postgres};
pub(crate) use file_server::FileServer;
pub(crate) use guests::{file as guest_file, guest, has_guest, other_bytes, root};
pub(crate) use launch::Launch;
pub(crate) use mail_server::MailServer;
pub(crate) use message::Message;
pub(crate) use odd_components::{compile_bomb, component, handler_with};
pub(crate) use peer::{closed_port, peer, stuck_port};
pub(crate) use pooler::Pooler;
pub(crate) use process::{Process, send};
pub(crate) use project::Project;
pub(crate) use raw::raw;
pub(crate) use receiver::{Answer as ReceiverAnswer, Receiver};
pub(crate) use schemas::{ALICE, BOB, own_rows};
pub(crate) use secure::{certificate, secure};
pub(crate) use settings::Settings;
pub(crate) use single::Single;
pub(crate) use skew::skewed;
pub(crate) use wait::{eventually, within};
pub(crate) use wire::Wire;
