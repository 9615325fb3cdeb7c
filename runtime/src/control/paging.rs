//! Lists in parts: `?limit=` and `?cursor=` in, `next_cursor` out. The same for every list.
//!
//! A cursor is the name of its list and the key of the last item shown, in a form that says: not for
//! reading. It holds nothing that its bearer has not seen, so it is not signed.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::registry::page::{Page, Part};

use super::answer::{Answer, Items, ok};
use super::error::ApiError;

/// What a screen or two hold.
pub(super) const PAGE_DEFAULT: u32 = 100;

/// A megabyte or so of an answer; who wants more asks again.
pub(super) const PAGE_MAX: u32 = 1000;

/// The query of a list that has no other words.
#[derive(Deserialize, Default, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Paging {
    pub(super) limit: Option<u32>,
    pub(super) cursor: Option<String>,
}

impl Paging {
    /// What is asked of the list of this name.
    pub(super) fn page<K: DeserializeOwned>(&self, list: &str) -> Result<Page<K>, ApiError> {
        let limit = self.limit.unwrap_or(PAGE_DEFAULT);
        if !(1..=PAGE_MAX).contains(&limit) {
            return Err(ApiError::BadQuery(format!(
                "`limit` is between 1 and {PAGE_MAX}"
            )));
        }
        let after = self.cursor.as_deref().map(|text| read(list, text));
        Ok(Page {
            after: after.transpose()?,
            limit,
        })
    }
}

/// 200 with a part of the list of this name; `key` says where it goes on after an item.
pub(super) fn part<T: Serialize, K: Serialize>(
    list: &str,
    part: Part<T>,
    key: impl Fn(&T) -> K,
) -> Result<Answer<Items<T>>, ApiError> {
    let last = part.items.last().filter(|_| part.more);
    let next_cursor = last.map(|item| write(list, &key(item))).transpose()?;
    Ok(ok(Items {
        items: part.items,
        next_cursor,
    }))
}

fn write<K: Serialize>(list: &str, key: &K) -> Result<String, ApiError> {
    let text = serde_json::to_vec(&(list, key)).map_err(|_| ApiError::Unwritable)?;
    Ok(BASE64_URL_SAFE_NO_PAD.encode(text))
}

fn read<K: DeserializeOwned>(list: &str, cursor: &str) -> Result<K, ApiError> {
    let bytes = BASE64_URL_SAFE_NO_PAD.decode(cursor).ok();
    let parsed = bytes.and_then(|bytes| serde_json::from_slice::<(String, K)>(&bytes).ok());
    match parsed {
        Some((of, key)) if of == list => Ok(key),
        Some(_) | None => Err(ApiError::BadQuery(
            "the cursor is none of this list; send the `next_cursor` of an answer, as it is"
                .to_owned(),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(limit: Option<u32>, cursor: Option<&str>) -> Result<Page<String>, ApiError> {
        let cursor = cursor.map(str::to_owned);
        Paging { limit, cursor }.page("things")
    }

    #[test]
    fn a_cursor_comes_back_as_the_key_that_it_was_made_of() {
        let cursor = write("things", &"käse").unwrap();
        let page = page(Some(7), Some(&cursor)).unwrap();
        assert_eq!((page.after.as_deref(), page.limit), (Some("käse"), 7));
    }

    #[test]
    fn other_cursors_and_odd_limits_are_refused() {
        let of_others = write("others", &"a").unwrap();
        let of_numbers = write("things", &7).unwrap();
        for cursor in ["", "!", "eA", of_others.as_str(), of_numbers.as_str()] {
            assert!(page(None, Some(cursor)).is_err(), "{cursor}");
        }
        for limit in [0, PAGE_MAX + 1] {
            assert!(page(Some(limit), None).is_err(), "{limit}");
        }
        assert_eq!(page(None, None).unwrap(), Page::first(PAGE_DEFAULT));
    }
}
