//! What a node is to others: where they reach it, and how long it is trusted without the database.

use std::net::SocketAddr;
use std::time::Duration;

use super::{Key, Reading};
use crate::config::FleetConfig;

/// Two minutes: a managed Postgres fails over in less, and what was taken back (a key, a policy, a
/// function) is served no longer than that by a node that cannot know of it.
const MAX_STALENESS_S: u64 = 120;

/// Five seconds are a few looks; after an hour a node is forgotten, and must not serve before.
const MAX_STALENESS_RANGE_S: std::ops::RangeInclusive<u64> = 5..=1800;

impl Reading<'_> {
    pub(super) fn fleet(&mut self) -> Option<FleetConfig> {
        let example = "write an address and a port, for example 10.0.0.5:8082";
        let address = self.text(Key::FleetAddress);
        let Some(listen) = self.parsed::<SocketAddr>(Key::FleetListen, example) else {
            if address.is_some() && self.text(Key::FleetListen).is_none() {
                self.wrong(Key::FleetAddress, "needs fleet_listen beside it");
            }
            return None;
        };
        if let Some(address) = &address
            && !is_address(address)
        {
            self.wrong(
                Key::FleetAddress,
                "must be a host and a port, for example node-1.internal:8082",
            );
        }
        if address.is_none() && listen.ip().is_unspecified() {
            self.wrong(
                Key::FleetListen,
                "is every address of this machine; say in fleet_address by which one other nodes reach it",
            );
        }
        Some(FleetConfig { listen, address })
    }

    pub(super) fn max_staleness(&mut self) -> Duration {
        let range = MAX_STALENESS_RANGE_S;
        Duration::from_secs(self.number(Key::MaxStalenessS, MAX_STALENESS_S, range))
    }
}

/// A host and a port, and nothing else.
fn is_address(text: &str) -> bool {
    let parsed = text.parse::<http::uri::Authority>();
    parsed.is_ok_and(|it| it.port_u16().is_some_and(|port| port != 0) && !text.contains('@'))
}
