//! Which relationship an embed follows.
//!
//! Pure: declared relationships and names in, one path out. A name is needed only where several
//! lead to the same table.

use koyalite_policy::{ColumnName, TableName};

use crate::error::HostError;
use crate::relationship::{Multiplicity, Relationship};

/// How rows of one table lead to rows of another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Path<'a> {
    /// To at most one: the columns are equal.
    One {
        outer: &'a ColumnName,
        inner: &'a ColumnName,
    },
    /// To any number.
    Many {
        outer: &'a ColumnName,
        inner: &'a ColumnName,
    },
    /// To any number, by way of a table that refers to both.
    Through {
        table: &'a TableName,
        outer: &'a ColumnName,
        near: &'a ColumnName,
        far: &'a ColumnName,
        inner: &'a ColumnName,
    },
}

/// A path, and what it may be called.
struct Candidate<'a> {
    path: Path<'a>,
    names: Vec<&'a str>,
}

/// The path from `outer` to `inner`.
///
/// # Errors
/// `unknown_relationship` or `ambiguous_relationship`.
pub(super) fn path<'a>(
    relationships: &'a [Relationship],
    outer: &TableName,
    inner: &TableName,
    via: Option<&str>,
) -> Result<Path<'a>, HostError> {
    let mut candidates = direct(relationships, outer, inner);
    // A table in between is meant only where nothing leads there at once, or where it is named.
    if candidates.is_empty() || via.is_some() {
        candidates.extend(through(relationships, outer, inner));
    }
    if let Some(via) = via {
        candidates.retain(|candidate| candidate.names.contains(&via));
    }
    let names: Vec<&str> = candidates
        .iter()
        .flat_map(|candidate| candidate.names.iter().copied())
        .collect();
    let mut candidates = candidates.into_iter();
    match (candidates.next(), candidates.next()) {
        (Some(only), None) => Ok(only.path),
        (None, _) => Err(HostError::unknown_relationship(
            outer.as_str(),
            inner.as_str(),
        )),
        (Some(_), Some(_)) => Err(HostError::ambiguous_relationship(
            outer.as_str(),
            inner.as_str(),
            &names,
        )),
    }
}

fn direct<'a>(
    relationships: &'a [Relationship],
    outer: &TableName,
    inner: &TableName,
) -> Vec<Candidate<'a>> {
    let mut candidates = Vec::new();
    for relation in relationships {
        // A table that refers to itself is followed by the column's name upwards, by the
        // constraint's name downwards.
        let itself = relation.from_table == relation.to_table;
        let (constraint, column) = (relation.constraint.as_str(), relation.from_column.as_str());
        if relation.from_table == *outer && relation.to_table == *inner {
            candidates.push(Candidate {
                path: Path::One {
                    outer: &relation.from_column,
                    inner: &relation.to_column,
                },
                names: match itself {
                    true => vec![column],
                    false => vec![constraint, column],
                },
            });
        }
        if relation.to_table == *outer && relation.from_table == *inner {
            let (outer, inner) = (&relation.to_column, &relation.from_column);
            candidates.push(Candidate {
                path: match relation.multiplicity {
                    Multiplicity::OneToOne => Path::One { outer, inner },
                    Multiplicity::OneToMany => Path::Many { outer, inner },
                },
                names: match itself {
                    true => vec![constraint],
                    false => vec![constraint, column],
                },
            });
        }
    }
    candidates
}

fn through<'a>(
    relationships: &'a [Relationship],
    outer: &TableName,
    inner: &TableName,
) -> Vec<Candidate<'a>> {
    let mut candidates = Vec::new();
    for near in relationships.iter().filter(|near| near.to_table == *outer) {
        let far = relationships.iter().filter(|far| {
            far.to_table == *inner && far.from_table == near.from_table && *far != near
        });
        for far in far {
            candidates.push(Candidate {
                path: Path::Through {
                    table: &near.from_table,
                    outer: &near.to_column,
                    near: &near.from_column,
                    far: &far.from_column,
                    inner: &far.to_column,
                },
                names: vec![near.from_table.as_str(), far.constraint.as_str()],
            });
        }
    }
    candidates
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refers(text: &str) -> Relationship {
        // from.column > to.column, `!` for one to one.
        let (from, to) = text.split_once(" > ").unwrap();
        let (from_table, from_column) = from.split_once('.').unwrap();
        let (to_table, to_column) = to.trim_end_matches('!').split_once('.').unwrap();
        Relationship {
            constraint: format!("fk_{from_table}_{from_column}"),
            from_table: from_table.parse().unwrap(),
            from_column: from_column.parse().unwrap(),
            to_table: to_table.parse().unwrap(),
            to_column: to_column.parse().unwrap(),
            multiplicity: match to.ends_with('!') {
                true => Multiplicity::OneToOne,
                false => Multiplicity::OneToMany,
            },
        }
    }

    #[test]
    fn a_path_is_found_or_asked_for() {
        let relationships = [
            "posts.author_id > people.id",
            "posts.editor_id > people.id",
            "comments.post_id > posts.id",
            "profiles.person_id > people.id!",
            "people.boss_id > people.id",
            "post_tags.post_id > posts.id",
            "post_tags.tag_id > tags.id",
        ]
        .map(refers);
        let check = |outer: &str, inner: &str, via: Option<&str>, expected: &str| {
            let (outer, inner) = (outer.parse().unwrap(), inner.parse().unwrap());
            let found = match path(&relationships, &outer, &inner, via) {
                Ok(Path::One { outer, inner }) => format!("one {outer}={inner}"),
                Ok(Path::Many { outer, inner }) => format!("many {outer}={inner}"),
                Ok(Path::Through {
                    table, near, far, ..
                }) => format!("{table} {near} {far}"),
                Err(error) => error.code().to_owned(),
            };
            assert_eq!(found, expected, "{outer} {inner} {via:?}");
        };
        check("comments", "posts", None, "one post_id=id");
        check("posts", "comments", None, "many id=post_id");
        check("people", "profiles", None, "one id=person_id");
        check("profiles", "people", None, "one person_id=id");
        check("posts", "people", None, "ambiguous_relationship");
        check("posts", "people", Some("editor_id"), "one editor_id=id");
        check(
            "people",
            "posts",
            Some("fk_posts_author_id"),
            "many id=author_id",
        );
        check("people", "people", None, "ambiguous_relationship");
        check("people", "people", Some("boss_id"), "one boss_id=id");
        check(
            "people",
            "people",
            Some("fk_people_boss_id"),
            "many id=boss_id",
        );
        check("posts", "tags", None, "post_tags post_id tag_id");
        check(
            "tags",
            "posts",
            Some("post_tags"),
            "post_tags tag_id post_id",
        );
        check("people", "tags", None, "unknown_relationship");
        check("posts", "people", Some("nothing"), "unknown_relationship");
        // Two rows of one table that the same third one names.
        check("people", "people", Some("posts"), "ambiguous_relationship");
        check(
            "people",
            "people",
            Some("fk_posts_editor_id"),
            "posts author_id editor_id",
        );
    }
}
