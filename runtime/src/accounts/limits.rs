//! What signing in costs, and how often it may be tried. All of it is for each node by itself.

use std::time::Duration;

/// Memory for one hash: OWASP's recommendation for argon2id with two passes. An attacker with the
/// hashes needs as much for each guess, which is what makes graphics cards slow at it.
pub const PASSWORD_MEMORY_KIB: u32 = 19 * 1024;

/// Passes over that memory.
pub const PASSWORD_PASSES: u32 = 2;

/// Lanes: one, since a hash has one thread.
pub const PASSWORD_LANES: u32 = 1;

/// The shortest password: below eight characters a list of all of them is soon read (NIST SP 800-63B).
pub const PASSWORD_CHARS_MIN: usize = 8;

/// The longest in bytes: any sentence, and no megabytes to hash.
pub const PASSWORD_BYTES_MAX: usize = 1024;

/// Passwords that wait to be hashed. With more, a caller would wait for seconds: 503 says so at once.
pub const PASSWORDS_WAITING_MAX: usize = 64;

/// How long an access token is good: between two refreshes. What a project's functions accept cannot
/// be taken back sooner.
pub const ACCESS_TOKEN_LIFETIME: Duration = Duration::from_secs(15 * 60);

/// Failures in a row for one address of a person: more than anybody's fingers make.
pub const FAILURES_PER_EMAIL: u32 = 10;

/// After those, one more for each of these: 1440 guesses a day find no password worth the name, and
/// whom somebody else slows down still gets a turn.
pub const FAILURE_INTERVAL_PER_EMAIL: Duration = Duration::from_secs(60);

/// Failures in a row from one network address (for IPv6 its /64): an office behind one router.
pub const FAILURES_PER_ADDRESS: u32 = 50;

/// After those, one more for each of these.
pub const FAILURE_INTERVAL_PER_ADDRESS: Duration = Duration::from_secs(5);

/// Accounts made in a row from one network address, and the pause after each further one: a class
/// room, and no flood of rows.
pub const SIGN_UPS_PER_ADDRESS: u32 = 30;
/// See [`SIGN_UPS_PER_ADDRESS`].
pub const SIGN_UP_INTERVAL_PER_ADDRESS: Duration = Duration::from_secs(60);

/// Mails about a forgotten password to one address in a row: one, one more because it was in the wrong
/// folder, and one more.
pub const RESETS_PER_EMAIL: u32 = 3;

/// After those, one more for each of these: nobody's mailbox is flooded.
pub const RESET_INTERVAL_PER_EMAIL: Duration = Duration::from_secs(15 * 60);

/// The same from one network address.
pub const RESETS_PER_ADDRESS: u32 = 20;
/// See [`RESETS_PER_ADDRESS`].
pub const RESET_INTERVAL_PER_ADDRESS: Duration = Duration::from_secs(60);

/// Places that are counted in, for each kind: half a megabyte that no attacker can make grow. Two that
/// share a place are slowed together.
pub const THROTTLE_PLACES: usize = 1 << 16;
