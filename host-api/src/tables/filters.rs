//! Texts of filters that were read before.
//!
//! A function asks with the same few texts again and again, and to read one takes longer than all else
//! that the host does for a select by key. What is kept is the text's own meaning alone: which table,
//! whose permit and which parameters it goes with is looked at in each call. One of these per project,
//! so that nobody can tell by the time it takes what another project asks.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use koyalite_policy::{FilterError, FilterText};

/// How many texts are kept. Who writes values into texts, instead of as parameters, fills it with what
/// never comes again; then it begins anew.
const TEXTS_MAX: usize = 64;

/// A longer text is read each time. At this length what is kept of a text is at most some 50 KiB, of
/// all of them 3 MiB; usually a hundredth.
const TEXT_BYTES_MAX: usize = 1024;

/// The texts of one project's filters.
#[derive(Debug, Default)]
pub(crate) struct FilterTexts(Mutex<HashMap<Box<str>, Arc<FilterText>>>);

impl FilterTexts {
    /// What the text says.
    pub(super) fn read(&self, text: &str) -> Result<Arc<FilterText>, FilterError> {
        if text.len() > TEXT_BYTES_MAX {
            return FilterText::read(text).map(Arc::new);
        }
        if let Some(known) = self.lock().get(text) {
            return Ok(Arc::clone(known));
        }
        // Read without the lock: two callers who both read it come to the same.
        let read = Arc::new(FilterText::read(text)?);
        let mut texts = self.lock();
        if texts.len() >= TEXTS_MAX {
            texts.clear();
        }
        texts.insert(text.into(), Arc::clone(&read));
        Ok(read)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<Box<str>, Arc<FilterText>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_read_once() {
        let texts = FilterTexts::default();
        let first = texts.read("id = $1").unwrap();
        assert!(Arc::ptr_eq(&first, &texts.read("id = $1").unwrap()));
        assert!(!Arc::ptr_eq(&first, &texts.read("id = $2").unwrap()));
    }

    #[test]
    fn what_is_no_filter_is_refused_each_time_and_not_kept() {
        let texts = FilterTexts::default();
        let refused = texts.read("id =").unwrap_err();
        assert_eq!(texts.read("id =").unwrap_err(), refused);
        assert!(texts.lock().is_empty());
    }

    #[test]
    fn texts_that_never_come_again_do_not_pile_up() {
        let texts = FilterTexts::default();
        for id in 0..10 * TEXTS_MAX {
            texts.read(&format!("id = {id}")).unwrap();
            assert!(texts.lock().len() <= TEXTS_MAX);
        }
        let long = format!("title = '{}'", "x".repeat(TEXT_BYTES_MAX));
        let before = texts.lock().len();
        texts.read(&long).unwrap();
        assert_eq!(texts.lock().len(), before);
    }
}
