//! Reads a delivery status notification (RFC 3464): which message, and is it over. Pure.
//!
//! The message is known by the return path that it was sent with (`bounces+<id>@…`), to which the notification
//! is addressed, or by the `Message-ID` of the copy within it. It comes from strangers: what does not fit
//! is no report, and whoever hands it in answers for where it came from.

use uuid::Uuid;

use crate::registry::mail::bounces::{Report, Verdict};

/// The largest notification that is read. Their copy of the message is past everything that counts.
pub const BOUNCE_BYTES_MAX: usize = 256 << 10;

/// How much of the other side's words is kept.
const REASON_CHARS_MAX: usize = 500;

/// Digits of a message's id in an address.
const ID_DIGITS: usize = 32;

/// Headers that say to whom a notification came, whoever delivered it.
const ADDRESSED: [&str; 5] = [
    "to",
    "delivered-to",
    "x-original-to",
    "envelope-to",
    "x-envelope-to",
];

/// Why it is no report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoReport {
    /// Some other message.
    #[error(
        "this has no part of the type message/delivery-status; send the notification as it came"
    )]
    NotAStatus,
    /// It does not say what became of it.
    #[error("the delivery status has no Action")]
    NoAction,
    /// Nobody knows what it speaks of.
    #[error("neither its recipient nor a Message-ID in it is that of a message sent from here")]
    NoMessage,
}

/// The address that bounces of a message go to.
#[must_use]
pub fn return_path(base: &str, message: Uuid) -> Option<String> {
    let (local, domain) = base.rsplit_once('@')?;
    Some(format!("{local}+{}@{domain}", message.simple()))
}

/// Reads a notification.
///
/// # Errors
/// See [`NoReport`].
pub fn read(raw: &[u8]) -> Result<Report, NoReport> {
    let text = String::from_utf8_lossy(raw);
    let lines = unfolded(&text);
    let end = lines.iter().position(|line| line.is_empty());
    let head = lines.get(..end.unwrap_or(lines.len())).unwrap_or_default();
    let addressed = head.iter().filter_map(|line| field(line));
    let addressed = addressed.filter(|(name, _)| ADDRESSED.contains(&name.as_str()));
    let by_address = addressed
        .filter_map(|(_, value)| id_after(value, '+'))
        .next();
    let is_status = |line: &String| {
        field(line).is_some_and(|(name, value)| {
            let kind = "message/delivery-status";
            name == "content-type"
                && value
                    .get(..kind.len())
                    .is_some_and(|v| v.eq_ignore_ascii_case(kind))
        })
    };
    let start = lines
        .iter()
        .position(is_status)
        .ok_or(NoReport::NotAStatus)?;
    let rest = lines.get(start + 1..).unwrap_or_default();
    let part = rest.iter().take_while(|line| !line.starts_with("--"));
    let fields: Vec<_> = part.filter_map(|line| field(line)).collect();
    let first = |wanted: &str| {
        let mut found = fields.iter().filter(|(name, _)| name == wanted);
        found.next().map(|(_, value)| *value)
    };
    let action = first("action").ok_or(NoReport::NoAction)?;
    let in_copy = || {
        let names = rest.iter().filter_map(|line| field(line));
        let mut ids = names.filter(|(name, _)| name == "message-id");
        ids.find_map(|(_, value)| id_after(value, '<'))
    };
    let message = by_address.or_else(in_copy).ok_or(NoReport::NoMessage)?;
    let status = first("status").unwrap_or_default();
    let verdict = match (
        action.eq_ignore_ascii_case("failed"),
        status.as_bytes().first(),
    ) {
        (true, Some(b'5')) => Verdict::Permanent,
        (true, _) => Verdict::Temporary,
        (false, _) => Verdict::Nothing,
    };
    let said = first("diagnostic-code").unwrap_or_default();
    let reason = format!("{} {status} {said}", action.to_ascii_lowercase());
    let shown = reason.trim().chars().filter(|c| !c.is_control());
    Ok(Report {
        message,
        verdict,
        reason: shown.take(REASON_CHARS_MAX).collect(),
    })
}

/// Lines, each with what was continued on the ones after it.
fn unfolded(text: &str) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for line in text.lines() {
        match (line.starts_with([' ', '\t']), lines.last_mut()) {
            (true, Some(last)) if !last.is_empty() => {
                last.push(' ');
                last.push_str(line.trim());
            }
            _ => lines.push(line.trim_end().to_owned()),
        }
    }
    lines
}

/// A header's name in lower case, and its value.
fn field(line: &str) -> Option<(String, &str)> {
    let (name, value) = line.split_once(':')?;
    let named = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    named.then(|| (name.to_ascii_lowercase(), value.trim()))
}

/// The id of a message between that character and an `@`.
fn id_after(text: &str, before: char) -> Option<Uuid> {
    let ids = text.split(before).skip(1);
    ids.filter_map(|rest| {
        let (digits, after) = rest.split_at_checked(ID_DIGITS)?;
        let hex = digits.bytes().all(|b| b.is_ascii_hexdigit());
        (hex && after.starts_with('@')).then(|| Uuid::try_parse(digits).ok())?
    })
    .next()
}

#[cfg(test)]
mod tests;
