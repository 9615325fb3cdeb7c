//! What random requests speak of: the columns of the tables, conditions that might ask about a hidden
//! row, and the ways from table to table.

/// A table, its columns, and atoms of conditions on it.
pub(super) type Table = (
    &'static str,
    &'static [&'static str],
    &'static [&'static str],
);

pub(super) const TABLES: &[Table] = &[
    (
        "people",
        &["id", "owner_id", "name", "grade", "boss_id", "code"],
        &[
            "id > 3",
            "id = 1001",
            "grade > 4",
            "grade is null",
            "name like 'a%'",
            "name = 'bob'",
            "boss_id = 1",
            "boss_id in (1, 1000, 1001)",
            "owner_id = auth.uid()",
            "name ilike '%N%'",
            "lower(name) = 'ann'",
            "code is null",
            "grade between 2 and 8",
            "coalesce(grade, 9) > 8",
        ],
    ),
    // What the mask leaves of others' rows. A request that asks for more sees its own rows only, and
    // nearly all that are made of the columns above do.
    (
        "people",
        &["id", "name", "grade"],
        &[
            "id > 3",
            "id = 1001",
            "grade > 4",
            "grade < 6",
            "name like 'a%'",
            "grade between 2 and 8",
        ],
    ),
    (
        "posts",
        &["id", "author_id", "title", "draft", "rank"],
        &[
            "id < 4",
            "id in (1000, 1, 2)",
            "author_id = 1",
            "author_id = 1000",
            "draft",
            "rank > 1",
            "rank is null",
            "title = 'gone'",
            "title is null",
            "title like '_nn'",
            "length(title) = 3",
            "rank = author_id",
            "title is distinct from 'ann'",
        ],
    ),
    (
        "tags",
        &["id", "word"],
        &["word = 'hidden'", "word > 'c'", "id = 1000", "id < 3"],
    ),
    (
        "post_tags",
        &["post_id", "tag_id", "secret"],
        &[
            "secret",
            "post_id = 1",
            "post_id >= 1000",
            "tag_id = 1000",
            "tag_id <> post_id",
        ],
    ),
    (
        "members",
        &["id", "team", "owner_id", "suspended"],
        &[
            "team = 2",
            "team > 2",
            "suspended",
            "owner_id = auth.uid()",
            "owner_id is null",
            "id >= 1000",
        ],
    ),
    (
        "notes",
        &["id", "team", "tag_id", "body"],
        &[
            "team = 2",
            "team > 2",
            "body like 'a%'",
            "tag_id is null",
            "tag_id >= 1000",
            "id < 3",
        ],
    ),
    SCORES,
];

/// Hidden rows of this one may be written to.
pub(super) const SCORES: Table = (
    "scores",
    &["id", "team", "name", "points", "note"],
    &[
        "id = 90",
        "id > 2",
        "team = 9",
        "team = 1",
        "points > 4",
        "points is null",
        "note is null",
        "note = 'ann'",
        "name = 'ann'",
    ],
);

pub(super) const KEYS: &[&str] = &["id", "post_id", "tag_id"];

/// Outer table, inner table, and the relationship where it must be named.
/// Those by way of another table come twice, so that they are as frequent.
pub(super) const EMBEDS: &[(&str, &str, Option<&str>)] = &[
    ("people", "posts", None),
    ("people", "people", Some("boss_id")),
    ("people", "people", Some("people_boss_id_fkey")),
    ("posts", "people", None),
    ("posts", "tags", None),
    ("posts", "tags", None),
    ("posts", "post_tags", None),
    ("tags", "posts", None),
    ("tags", "posts", None),
    ("tags", "post_tags", None),
    ("post_tags", "posts", None),
    ("post_tags", "tags", None),
];
