//! Passwords to hashes and back to a yes or no: argon2id, on threads of its own, a few at a time.
//!
//! A hash takes 19 MiB and some 20 ms on purpose. Without a bound, a few hundred callers would take all
//! memory; without a queue's end, honest ones would wait behind them. A password is never kept.

use std::fmt;
use std::sync::{Arc, LazyLock};

use argon2::password_hash::phc::PasswordHash as Phc;
use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _};
use argon2::{Algorithm, Argon2, Params, Version};
use tokio::sync::Semaphore;
use zeroize::Zeroizing;

use super::limits::{
    PASSWORD_BYTES_MAX, PASSWORD_CHARS_MIN, PASSWORD_LANES, PASSWORD_MEMORY_KIB, PASSWORD_PASSES,
    PASSWORDS_WAITING_MAX,
};
use crate::registry::users::PasswordHash;

/// A password as its owner typed it.
#[derive(Clone)]
pub struct Password(Zeroizing<String>);

impl Password {
    /// What somebody claims to be their password.
    #[must_use]
    pub fn claimed(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// Whether it may become one.
    ///
    /// # Errors
    /// What would be right.
    pub fn check_new(&self) -> Result<(), String> {
        let long_enough = self.0.chars().nth(PASSWORD_CHARS_MIN - 1).is_some();
        match long_enough && self.0.len() <= PASSWORD_BYTES_MAX {
            true => Ok(()),
            false => Err(format!(
                "a password has at least {PASSWORD_CHARS_MIN} characters and at most \
                 {PASSWORD_BYTES_MAX} bytes"
            )),
        }
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(…)")
    }
}

/// What a comparison found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Compared {
    /// Another password.
    Wrong,
    /// This one.
    Right,
    /// This one, hashed in a way that is no longer ours: here is the hash to keep.
    RightAndRehashed(PasswordHash),
}

/// Why nothing was hashed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum HashError {
    /// Too many wait already.
    Busy,
    /// The library refused, or its thread ended.
    Failed,
}

/// The threads that hash.
pub(super) struct Hashing {
    /// Those who hash and those who wait.
    places: Semaphore,
    /// Those who hash.
    turns: Arc<Semaphore>,
}

impl Hashing {
    /// Leaves half of the cores to everything else.
    pub(super) fn new() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Self::with((cores / 2).max(1), PASSWORDS_WAITING_MAX)
    }

    fn with(turns: usize, waiting: usize) -> Self {
        Self {
            places: Semaphore::new(turns.saturating_add(waiting)),
            turns: Arc::new(Semaphore::new(turns)),
        }
    }

    pub(super) async fn hash(&self, password: Password) -> Result<PasswordHash, HashError> {
        self.run(move || hash(&password)).await
    }

    /// Compares with the hash of an account, or where there is none with one of nobody's, so that
    /// both take as long.
    pub(super) async fn compare(
        &self,
        password: Password,
        with: Option<PasswordHash>,
    ) -> Result<Compared, HashError> {
        self.run(move || compare(&password, with.as_ref())).await
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, HashError> + Send + 'static,
    ) -> Result<T, HashError> {
        let _place = self.places.try_acquire().map_err(|_| HashError::Busy)?;
        let turn = Arc::clone(&self.turns).acquire_owned().await;
        let turn = turn.map_err(|_| HashError::Failed)?;
        // The turn goes along: who stops waiting does not stop the thread.
        let worked = tokio::task::spawn_blocking(move || {
            let done = work();
            drop(turn);
            done
        });
        worked.await.map_err(|_| HashError::Failed)?
    }
}

fn argon2() -> Result<Argon2<'static>, HashError> {
    let params = Params::new(PASSWORD_MEMORY_KIB, PASSWORD_PASSES, PASSWORD_LANES, None);
    let params = params.map_err(|_| HashError::Failed)?;
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

fn hash(password: &Password) -> Result<PasswordHash, HashError> {
    let salt: [u8; 16] = rand::random();
    let hashed = argon2()?.hash_password_with_salt(password.0.as_bytes(), &salt);
    Ok(PasswordHash(
        hashed.map_err(|_| HashError::Failed)?.to_string(),
    ))
}

/// The hash of a password that nobody knows.
static NOBODYS: LazyLock<Option<PasswordHash>> = LazyLock::new(|| {
    let random: [u8; 32] = rand::random();
    hash(&Password::claimed(hex::encode(random))).ok()
});

fn compare(password: &Password, with: Option<&PasswordHash>) -> Result<Compared, HashError> {
    // Longer ones were never accepted; what is compared then does not matter, only that it is.
    let tried = match password.0.len() <= PASSWORD_BYTES_MAX {
        true => password.0.as_bytes(),
        false => b"",
    };
    let usable = with.and_then(|hash| Phc::new(&hash.0).ok());
    let Some(stored) = usable else {
        let nobodys = NOBODYS.as_ref().ok_or(HashError::Failed)?;
        let nobodys = Phc::new(&nobodys.0).map_err(|_| HashError::Failed)?;
        let _ = argon2()?.verify_password(tried, &nobodys);
        return Ok(Compared::Wrong);
    };
    if tried.is_empty() || argon2()?.verify_password(tried, &stored).is_err() {
        return Ok(Compared::Wrong);
    }
    match is_current(&stored) {
        true => Ok(Compared::Right),
        false => Ok(Compared::RightAndRehashed(hash(password)?)),
    }
}

/// Whether a hash was made as hashes are made today.
fn is_current(stored: &Phc) -> bool {
    let current = Params::new(PASSWORD_MEMORY_KIB, PASSWORD_PASSES, PASSWORD_LANES, None);
    let params = Params::try_from(stored);
    match (params, current) {
        (Ok(params), Ok(current)) => {
            stored.algorithm.as_str() == Algorithm::Argon2id.as_str()
                && (params.m_cost(), params.t_cost(), params.p_cost())
                    == (current.m_cost(), current.t_cost(), current.p_cost())
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn password(text: &str) -> Password {
        Password::claimed(text.to_owned())
    }

    #[test]
    fn a_hash_is_argon2id_with_the_parameters_of_today_and_salted() {
        let (one, two) = (hash(&password("tr0ub4dor")), hash(&password("tr0ub4dor")));
        let (one, two) = (one.unwrap(), two.unwrap());
        assert!(
            one.0.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"),
            "{}",
            one.0
        );
        assert_ne!(one, two);
        assert_eq!(
            compare(&password("tr0ub4dor"), Some(&one)),
            Ok(Compared::Right)
        );
        for wrong in ["", "tr0ub4do", "tr0ub4dor ", &"x".repeat(2000)] {
            let compared = compare(&password(wrong), Some(&one));
            assert_eq!(compared, Ok(Compared::Wrong), "{wrong:?}");
        }
    }

    #[test]
    fn nobody_and_an_unusable_hash_have_no_password() {
        let unusable = PasswordHash("!".to_owned());
        for with in [None, Some(&unusable)] {
            assert_eq!(compare(&password("!"), with), Ok(Compared::Wrong));
            assert_eq!(compare(&password(""), with), Ok(Compared::Wrong));
        }
    }

    #[test]
    fn a_weaker_hash_is_replaced_when_its_password_is_seen() {
        let weak = Params::new(8 * 1024, 1, 1, None).unwrap();
        let weak = Argon2::new(Algorithm::Argon2id, Version::V0x13, weak);
        let weak = weak
            .hash_password_with_salt(b"an old one", &[7; 16])
            .unwrap();
        let weak = PasswordHash(weak.to_string());
        match compare(&password("an old one"), Some(&weak)).unwrap() {
            Compared::RightAndRehashed(new) => {
                assert_eq!(
                    compare(&password("an old one"), Some(&new)),
                    Ok(Compared::Right)
                );
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_new_password_has_a_length() {
        let check = |text: &str, good: bool| {
            assert_eq!(password(text).check_new().is_ok(), good, "{text}");
        };
        check("1234567", false);
        check("12345678", true);
        check("ünïcödé!", true);
        check(&"x".repeat(1024), true);
        check(&"x".repeat(1025), false);
    }

    #[tokio::test]
    async fn who_finds_the_queue_full_is_told_at_once() {
        let hashing = Hashing::with(1, 1);
        let (first, second) = (password("one of them"), password("another one"));
        let both = async { tokio::join!(hashing.hash(first), hashing.hash(second)) };
        let third = async { hashing.hash(password("a third one")).await };
        let ((first, second), third) = tokio::join!(both, third);
        assert!(first.is_ok() && second.is_ok());
        assert_eq!(third, Err(HashError::Busy));
    }

    #[test]
    fn no_password_is_printed() {
        assert_eq!(format!("{:?}", password("hidden")), "Password(…)");
        assert_eq!(
            format!("{:?}", PasswordHash("hidden".into())),
            "PasswordHash(…)"
        );
    }
}
