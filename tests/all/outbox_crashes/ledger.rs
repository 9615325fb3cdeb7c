//! What was asked for and what was said to it: the promises that must be kept.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;

use serde_json::{Value, json};

use crate::support::Chance;
use crate::support::{ALICE, Answer};

/// What is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Event,
    Message,
}

/// How the function that sends it ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// Without a transaction.
    Plain,
    Commit,
    Rollback,
    Trap,
}

impl End {
    pub(super) fn word(self) -> &'static str {
        match self {
            End::Plain => "",
            End::Commit => "commit",
            End::Rollback => "rollback",
            End::Trap => "trap",
        }
    }

    fn sends(self) -> bool {
        matches!(self, End::Plain | End::Commit)
    }
}

/// One call of a function.
#[derive(Debug, Clone)]
pub(super) struct Order {
    pub(super) number: u64,
    pub(super) kind: Kind,
    pub(super) end: End,
}

impl Order {
    fn of(seed: u64, number: u64) -> Order {
        let mut chance = Chance::of(seed ^ number.wrapping_mul(0x2545_f491_4f6c_dd1d));
        let kind = match chance.below(3) {
            0 => Kind::Message,
            _ => Kind::Event,
        };
        let end = match chance.below(6) {
            0 | 1 => End::Plain,
            2 | 3 => End::Commit,
            4 => End::Rollback,
            // A message's function knows no other way to undo.
            _ if kind == Kind::Message => End::Rollback,
            _ => End::Trap,
        };
        Order { number, kind, end }
    }

    /// What the function is given. The number is in it, and is its key.
    pub(super) fn body(&self) -> Value {
        let number = self.number;
        let key = format!("key-{number}");
        match self.kind {
            Kind::Event => json!({
                "event_type": "order.paid", "payload": { "n": number }, "key": key, "table": "notes",
                "rows": [{ "owner_id": ALICE, "title": format!("{number}") }],
            }),
            Kind::Message => json!({
                "to": format!("{number}@example.com"), "subject": "Hi", "text": "Hi.", "key": key,
            }),
        }
    }
}

/// All orders so far.
#[derive(Default)]
pub(super) struct Ledger(Mutex<Entries>);

#[derive(Default)]
struct Entries {
    next: u64,
    /// Numbers and the ids that were answered.
    promised: BTreeMap<u64, (Kind, String)>,
    undone: BTreeSet<u64>,
    unanswered: Vec<Order>,
}

impl Ledger {
    pub(super) fn next(&self, seed: u64) -> Order {
        let mut entries = self.0.lock().unwrap();
        entries.next += 1;
        Order::of(seed, entries.next)
    }

    /// Notes what was answered; tells whether it was a promise.
    pub(super) fn note(&self, order: &Order, answer: Option<Answer>) -> bool {
        let mut entries = self.0.lock().unwrap();
        entries.unanswered.retain(|one| one.number != order.number);
        if !order.end.sends() {
            entries.undone.insert(order.number);
            return false;
        }
        match answer {
            Some(answer) if answer.status == 200 => {
                let id = answer.json()["id"].as_str().unwrap().to_owned();
                entries.promised.insert(order.number, (order.kind, id));
                true
            }
            Some(_) | None => {
                entries.unanswered.push(order.clone());
                false
            }
        }
    }

    pub(super) fn unanswered(&self) -> Vec<Order> {
        self.0.lock().unwrap().unanswered.clone()
    }

    pub(super) fn id_of(&self, number: u64) -> Option<String> {
        let entries = self.0.lock().unwrap();
        entries.promised.get(&number).map(|(_, id)| id.clone())
    }

    /// What has come is what was promised, all of it and nothing else.
    pub(super) fn compare(&self, kind: Kind, came: impl Iterator<Item = u64>) {
        let entries = self.0.lock().unwrap();
        let came: BTreeSet<u64> = came.collect();
        let promised = entries.promised.iter().filter(|(_, (of, _))| *of == kind);
        let promised: BTreeSet<u64> = promised.map(|(number, _)| *number).collect();
        let undone: Vec<_> = came.intersection(&entries.undone).collect();
        assert!(undone.is_empty(), "rolled back and sent: {undone:?}");
        let lost: Vec<_> = promised.difference(&came).collect();
        assert!(lost.is_empty(), "acknowledged and lost: {lost:?}");
        let odd: Vec<_> = came.difference(&promised).collect();
        assert!(odd.is_empty(), "nobody asked for: {odd:?}");
        assert!(!promised.is_empty(), "nothing was promised");
    }
}
