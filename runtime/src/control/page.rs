//! One page of a list, and where the next one begins. A cursor is the id of the last item shown, so a
//! list that changes meanwhile loses and repeats nothing.

use uuid::Uuid;

use crate::http::Mistake;

use super::answer::{Answer, Items, paged};
use super::error::ApiError;

/// Items of a page unless told otherwise: a screen or two.
const PAGE_ITEMS: u16 = 50;

/// Items of a page at most: what is quickly read and answered.
const PAGE_ITEMS_MAX: u16 = 200;

/// Which page of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Page {
    /// The last item of the page before.
    pub(super) after: Option<Uuid>,
    limit: u16,
}

impl Page {
    /// From the query's `limit` and `cursor`.
    pub(super) fn read(limit: Option<u16>, cursor: Option<&str>) -> Result<Page, ApiError> {
        let limit = limit.unwrap_or(PAGE_ITEMS);
        if !(1..=PAGE_ITEMS_MAX).contains(&limit) {
            let message = format!("write a number from 1 to {PAGE_ITEMS_MAX}");
            return Err(ApiError::Invalid(vec![Mistake::at("limit", message)]));
        }
        let wrong = || Mistake::at("cursor", "write the `next_cursor` of the page before");
        let after = cursor.map(|text| Uuid::parse_str(text).map_err(|_| wrong()));
        match after.transpose() {
            Ok(after) => Ok(Page { after, limit }),
            Err(mistake) => Err(ApiError::Invalid(vec![mistake])),
        }
    }

    /// How many to read: one more than is shown tells whether there is a next page.
    pub(super) fn and_one(self) -> u16 {
        self.limit.saturating_add(1)
    }

    /// The answer, from up to [`Page::and_one`] items.
    pub(super) fn answer<T: serde::Serialize>(
        self,
        mut found: Vec<T>,
        id: impl Fn(&T) -> Uuid,
    ) -> Answer<Items<T>> {
        let shown = usize::from(self.limit);
        let more = found.len() > shown;
        found.truncate(shown);
        let next = found
            .last()
            .filter(|_| more)
            .map(|last| id(last).to_string());
        paged(found, next)
    }
}
