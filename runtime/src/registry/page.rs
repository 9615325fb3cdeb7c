//! Which part of a list is wanted, and the part. Lists go on after the key of the last item that was
//! shown, so what is made or deleted between two parts moves nothing.
//!
//! How a key looks to a caller is decided in the control API's `paging`.

/// At most so many items, after one of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<K> {
    /// The key of the last item of the part before; none: from the beginning.
    pub after: Option<K>,
    /// How many items, at most.
    pub limit: u32,
}

/// Items of a list, in its order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part<T> {
    /// The items.
    pub items: Vec<T>,
    /// Whether the list goes on after them.
    pub more: bool,
}

impl<K> Page<K> {
    /// A list from its beginning.
    #[must_use]
    pub fn first(limit: u32) -> Self {
        Self { after: None, limit }
    }

    /// How many rows to read: one more than is shown says whether there are more.
    pub(crate) fn rows(&self) -> i64 {
        i64::from(self.limit) + 1
    }

    /// The part that these rows make, read by [`Page::rows`].
    pub(crate) fn part<T>(&self, mut rows: Vec<T>) -> Part<T> {
        let limit = usize::try_from(self.limit).unwrap_or(usize::MAX);
        let more = rows.len() > limit;
        rows.truncate(limit);
        Part { items: rows, more }
    }

    /// The part of a list that is in memory as a whole.
    #[must_use]
    pub fn cut<T>(&self, mut items: Vec<T>, key: impl Fn(&T) -> K) -> Part<T>
    where
        K: Ord,
    {
        items.sort_by_key(|item| key(item));
        items.retain(|item| self.after.as_ref().is_none_or(|after| key(item) > *after));
        self.part(items)
    }
}

impl<T> Part<T> {
    /// The part with other items in the place of these.
    #[must_use]
    pub fn map<U>(self, change: impl FnMut(T) -> U) -> Part<U> {
        Part {
            items: self.items.into_iter().map(change).collect(),
            more: self.more,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(after: Option<u32>, limit: u32, expected: &[u32], more: bool) {
        let page = Page { after, limit };
        let part = page.cut(vec![3, 1, 2], |item| *item);
        assert_eq!((part.items.as_slice(), part.more), (expected, more));
    }

    #[test]
    fn a_part_begins_after_a_key_and_says_whether_there_is_more() {
        check(None, 3, &[1, 2, 3], false);
        check(None, 2, &[1, 2], true);
        check(Some(2), 2, &[3], false);
        check(Some(3), 2, &[], false);
        check(Some(0), 1, &[1], true);
    }
}
