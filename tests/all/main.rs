//! The whole of KoyaLite through its front door: a real server process, real HTTP, a real Postgres.
//!
//! Each module is a theme, each test a story about one. What they are told with is in `../support`.
//! `tidy` looks at the sources instead.

#![cfg(test)]

#[path = "../support/mod.rs"]
mod support;

mod admission;
mod api_keys;
mod audit;
mod audit_reads;
mod auto_rollback;
mod backup;
mod bad_input;
mod bad_policies;
mod bad_requests;
mod bodies;
mod combinations;
mod command_line;
mod configuration;
mod conformance;
mod crashes;
mod cron;
mod deleting;
mod deploy;
mod deploy_all;
mod deployments;
mod domain_model;
mod draining;
mod dry_runs;
mod egress;
mod email;
mod email_attachments;
mod email_servers;
mod examples;
mod explaining;
mod files;
mod files_called;
mod files_kept;
mod files_large;
mod files_pages;
mod files_resumed;
mod files_signed;
mod files_streamed;
mod fleet;
mod fleet_outages;
mod fleet_rolling;
mod hostile;
mod identity;
mod identity_providers;
mod importing;
mod indexes;
mod limits;
mod listeners;
mod lists;
mod logs;
mod migrations;
mod mirror;
mod outbox_crashes;
mod owning;
mod passwords;
mod people;
mod policies;
mod policy_readable;
mod policy_sets;
mod previews;
mod projects;
mod promotion;
mod rates;
mod refused_components;
mod run;
mod schedules;
mod schedules_asked;
mod schedules_crashes;
mod schedules_nodes;
mod secrets;
mod seeding;
mod settings;
mod source_url;
mod stores;
mod surroundings;
mod table_events;
mod tables;
mod tables_reading;
mod tables_together;
mod tidy;
mod unauthorized;
mod vectors;
mod vectors_changing;
mod verifying;
mod webhook_endpoints;
mod webhooks;
mod webhooks_verified;
