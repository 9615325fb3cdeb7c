//! Host functions that never wait: identity, log, config. The same for both packages.

use koyalite_policy::{AuthRole, Identity};
use wasmtime::component::Access;

use super::{Host, HostState, current};
use crate::bindings::{concurrent, sync};
use crate::invocation::LogLevel;

/// `sub`, role and claims of a caller, as `identity.current` answers them.
struct Caller {
    role: AuthRole,
    subject: Option<String>,
    claims: String,
}

impl Caller {
    fn of<T: 'static>(access: &mut Access<'_, T, Host>) -> Self {
        // No entry means nobody: the caller with the fewest rights.
        match current(access)
            .as_ref()
            .map(|invocation| &invocation.identity)
        {
            Ok(identity @ Identity::User(user)) => Self {
                role: identity.role(),
                subject: Some(user.subject().to_owned()),
                claims: serde_json::to_string(user.claims()).unwrap_or_else(|_| "{}".to_owned()),
            },
            Ok(identity @ (Identity::Anonymous | Identity::Service(_))) => Self {
                role: identity.role(),
                subject: None,
                claims: "{}".to_owned(),
            },
            Err(_) => Self {
                role: AuthRole::Anon,
                subject: None,
                claims: "{}".to_owned(),
            },
        }
    }
}

fn config<T: 'static>(access: &mut Access<'_, T, Host>, key: &str) -> Option<String> {
    current(access)
        .ok()
        .and_then(|invocation| invocation.config.get(key).cloned())
}

fn log<T: 'static>(access: &mut Access<'_, T, Host>, level: LogLevel, message: &str) {
    if let Ok(invocation) = current(access) {
        invocation.log.write(level, message);
    }
}

macro_rules! implement {
    ($package:ident) => {
        impl<T: Send + 'static> $package::identity::HostWithStore<T> for Host {
            fn current(
                mut access: Access<'_, T, Self>,
            ) -> wasmtime::Result<$package::identity::Caller> {
                let caller = Caller::of(&mut access);
                Ok($package::identity::Caller {
                    role: match caller.role {
                        AuthRole::Anon => $package::identity::Role::Anon,
                        AuthRole::Authenticated => $package::identity::Role::Authenticated,
                        AuthRole::ServiceRole => $package::identity::Role::ServiceRole,
                    },
                    subject: caller.subject,
                    claims: caller.claims,
                })
            }
        }
        impl $package::identity::Host for &mut HostState {}

        impl<T: Send + 'static> $package::config::HostWithStore<T> for Host {
            fn get(
                mut access: Access<'_, T, Self>,
                key: String,
            ) -> wasmtime::Result<Option<String>> {
                Ok(config(&mut access, &key))
            }
        }
        impl $package::config::Host for &mut HostState {}

        impl<T: Send + 'static> $package::log::HostWithStore<T> for Host {
            fn write(
                mut access: Access<'_, T, Self>,
                level: $package::log::Level,
                message: String,
            ) -> wasmtime::Result<()> {
                let level = match level {
                    $package::log::Level::Debug => LogLevel::Debug,
                    $package::log::Level::Info => LogLevel::Info,
                    $package::log::Level::Warn => LogLevel::Warn,
                    $package::log::Level::Error => LogLevel::Error,
                };
                log(&mut access, level, &message);
                Ok(())
            }
        }
        impl $package::log::Host for &mut HostState {}
        impl $package::types::Host for &mut HostState {}
    };
}

mod packages {
    pub(super) use super::concurrent::koyalite::host as concurrent_host;
    pub(super) use super::sync::koyalite::host_sync as sync_host;
}
use packages::{concurrent_host, sync_host};

implement!(concurrent_host);
implement!(sync_host);
