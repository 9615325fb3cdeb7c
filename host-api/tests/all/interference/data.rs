//! Two databases that differ in nothing that the caller may see.
//!
//! Each row says by its own columns whether it is visible, so the two halves are made apart: the
//! visible rows are the same in both databases, the hidden ones are not. Nor are the columns of a
//! visible row that a mask hides. Hidden rows refer to
//! visible ones and the other way round; their numbers begin at [`HIDDEN`], where no request writes.
//! Of `scores` there are hidden rows that have the same keys in both databases and differ in all else:
//! to these requests may write.

use std::collections::BTreeSet;

use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use uuid::Uuid;

use super::nearest;

/// Numbers of hidden rows.
pub(super) const HIDDEN: i64 = 1000;
/// Who asks.
pub(super) const CALLER: Uuid = Uuid::from_u128(0xCA11E2);
const OTHER: Uuid = Uuid::from_u128(0x07E2);

pub(super) const TABLES: &[(&str, &[&str])] = &[
    (
        "people",
        &[
            "id bigint primary key",
            "owner_id uuid",
            "name text",
            "grade integer",
            "boss_id bigint references people(id)",
            "code text unique",
        ],
    ),
    (
        "posts",
        &[
            "id bigint primary key",
            "author_id bigint references people(id)",
            "title text",
            "draft boolean not null default false",
            "rank numeric",
        ],
    ),
    ("tags", &["id bigint primary key", "word text not null"]),
    (
        "post_tags",
        &[
            "post_id bigint not null references posts(id)",
            "tag_id bigint not null references tags(id)",
            "secret boolean not null default false",
            "primary key (post_id, tag_id)",
        ],
    ),
    (
        "members",
        &[
            "id bigint primary key",
            "team bigint",
            "owner_id uuid",
            "suspended boolean not null default false",
        ],
    ),
    (
        "notes",
        &[
            "id bigint primary key",
            "team bigint not null",
            "tag_id bigint",
            "body text",
        ],
    ),
    (
        "scores",
        &[
            "id bigint primary key",
            "team bigint not null",
            "name text not null",
            "points integer",
            "note text",
            "unique (team, name)",
        ],
    ),
    nearest::TABLE,
];

/// A tag to which hidden links lead from visible posts. No request makes such a link.
const LINKED_TAG: i64 = 8;
/// The number of the first of the scores that have the same keys in both databases, and their team.
pub(super) const SHARED: i64 = 90;
pub(super) const SHARED_TEAM: i64 = 9;
/// The caller's own team, and the one that the caller is suspended from: notes of it are still seen,
/// because policies read `members` past its own.
const TEAM: i64 = 1;
pub(super) const SUSPENDED_TEAM: i64 = 2;

/// Stands in a visible row for what a mask hides of it, and what each database has there.
const HIDDEN_CELLS: &[(&str, [&str; 2])] = &[
    (
        "{owner}",
        ["'00000000-0000-0000-0000-0000000007e2'", "NULL"],
    ),
    ("{boss}", ["1", "1001"]),
    ("{points}", ["0", "8"]),
    ("{note}", ["'ann'", "NULL"]),
];

/// A visible row as one of the two databases has it.
pub(super) fn in_database(place: usize, row: &str) -> String {
    let cells = HIDDEN_CELLS.iter();
    cells.fold(row.to_owned(), |row, (cell, values)| {
        row.replace(cell, values[place])
    })
}

/// Rows as text for an INSERT, by table.
#[derive(Debug, Clone)]
pub(super) struct Rows(pub(super) Vec<(&'static str, Vec<String>)>);

#[derive(Debug, Clone)]
pub(super) struct Data {
    pub(super) visible: Rows,
    pub(super) hidden: [Rows; 2],
}

pub(super) fn data() -> impl Strategy<Value = Data> {
    (rows(Seen::Visible), rows(Seen::Hidden), rows(Seen::Hidden)).prop_map(
        |(visible, one, other)| Data {
            visible,
            hidden: [one, other],
        },
    )
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Seen {
    Visible,
    Hidden,
}

fn rows(seen: Seen) -> impl Strategy<Value = Rows> {
    (
        prop::collection::vec(person(seen), 0..5),
        prop::collection::vec(post(seen), 0..6),
        prop::collection::vec(tag(seen), 0..3),
        links(),
        prop::collection::vec(member(), 0..4),
        prop::collection::vec(note(seen), 0..5),
        scores(seen),
        prop::collection::vec(nearest::document(seen), 0..6),
    )
        .prop_map(
            move |(people, posts, tags, links, members, notes, scores, documents)| {
                let first = match seen {
                    Seen::Visible => 1,
                    Seen::Hidden => HIDDEN,
                };
                let numbered = |rows: Vec<String>| -> Vec<String> {
                    let rows = (first..).zip(rows);
                    rows.map(|(id, row)| format!("({id}, {row})")).collect()
                };
                let secret = seen == Seen::Hidden;
                // A hidden link is never the same as a visible one.
                let links = links
                    .into_iter()
                    .filter(|(post, tag)| secret == (*post >= HIDDEN || *tag == LINKED_TAG));
                let links = links.map(|(post, tag)| format!("({post}, {tag}, {secret})"));
                let (mut tags, mut members) = (numbered(tags), numbered(members));
                if seen == Seen::Visible {
                    tags.push(format!("({LINKED_TAG}, 'red')"));
                    members = own_members();
                }
                Rows(vec![
                    ("people", numbered(people)),
                    ("posts", numbered(posts)),
                    ("tags", tags),
                    ("post_tags", links.collect()),
                    ("members", members),
                    ("notes", numbered(notes)),
                    ("scores", scores),
                    ("documents", numbered(documents)),
                ])
            },
        )
}

fn links() -> impl Strategy<Value = BTreeSet<(i64, i64)>> {
    let post = prop_oneof![2 => 1..7i64, 1 => some_id()];
    let tag = prop_oneof![some_id(), Just(LINKED_TAG)];
    prop::collection::btree_set((post, tag), 0..8)
}

/// The caller's own memberships. One of them is hidden, the same in both databases.
fn own_members() -> Vec<String> {
    vec![
        format!("(1, {TEAM}, '{CALLER}', false)"),
        format!("(2, {SUSPENDED_TEAM}, '{CALLER}', true)"),
    ]
}

/// Others' memberships: `team, owner_id, suspended`
fn member() -> impl Strategy<Value = String> {
    let owner = select(vec![format!("'{OTHER}'"), "NULL".to_owned()]);
    (1..6i64, owner, any::<bool>())
        .prop_map(|(team, owner, suspended)| format!("{team}, {owner}, {suspended}"))
}

/// `team, tag_id, body`: hidden where the team is others', or the tag hidden or none at all.
fn note(seen: Seen) -> impl Strategy<Value = String> {
    let own = select(vec![TEAM, SUSPENDED_TEAM]);
    let right = match seen {
        Seen::Visible => (own, option::of(Just(LINKED_TAG))).boxed(),
        Seen::Hidden => prop_oneof![
            (3..6i64, option::of(Just(LINKED_TAG))),
            (own, (HIDDEN..HIDDEN + 3).prop_map(Some)),
        ]
        .boxed(),
    };
    (right, option::of(select(NAMES)))
        .prop_map(|((team, tag), body)| format!("{team}, {}, {}", sql(tag), quoted(body)))
}

/// Whole rows: `id, team, name, points, note`. Those that are there in both databases count as
/// visible here.
fn scores(seen: Seen) -> BoxedStrategy<Vec<String>> {
    if seen == Seen::Hidden {
        return Just(Vec::new()).boxed();
    }
    let points = option::of(0..9i32).prop_map(sql);
    let own = prop::collection::btree_map((1..3i64, select(NAMES)), points, 0..5);
    let shared = prop::collection::btree_set(select(NAMES), 4);
    (own, shared)
        .prop_map(|(own, shared)| {
            let own = (1..).zip(own);
            let own = own.map(|(id, ((team, name), points))| {
                format!("({id}, {team}, '{name}', {points}, 'bob')")
            });
            let shared = (SHARED..).zip(shared);
            let shared = shared
                .map(|(id, name)| format!("({id}, {SHARED_TEAM}, '{name}', {{points}}, {{note}})"));
            own.chain(shared).collect()
        })
        .boxed()
}

fn some_id() -> impl Strategy<Value = i64> {
    prop_oneof![1..7i64, HIDDEN..HIDDEN + 5]
}

pub(super) const NAMES: &[&str] = &["ann", "Ann", "bob", "ämil", "", "gone"];

pub(super) fn quoted(text: Option<&str>) -> String {
    text.map_or("NULL".to_owned(), |text| format!("'{text}'"))
}

fn sql<T: std::fmt::Display>(value: Option<T>) -> String {
    value.map_or("NULL".to_owned(), |value| value.to_string())
}

/// `owner_id, name, grade, boss_id, code`
fn person(seen: Seen) -> impl Strategy<Value = String> {
    let boss = || option::of(some_id()).prop_map(sql);
    let own = (option::of(0..10i32), boss())
        .prop_map(|(grade, boss)| (format!("'{CALLER}'"), grade, boss));
    let graded =
        (6..10i32).prop_map(|grade| ("{owner}".to_owned(), Some(grade), "{boss}".to_owned()));
    let owner = select(vec![format!("'{OTHER}'"), "NULL".to_owned()]);
    // Most of them just short of the grade that would show them.
    let short = prop_oneof![0..6i32, 4..6i32];
    let hidden = (owner, option::of(short), boss());
    let right = match seen {
        Seen::Visible => prop_oneof![own, graded].boxed(),
        Seen::Hidden => hidden.boxed(),
    };
    (right, option::of(select(NAMES))).prop_map(|((owner, grade, boss), name)| {
        format!("{owner}, {}, {}, {boss}, NULL", quoted(name), sql(grade))
    })
}

/// `author_id, title, draft, rank`
fn post(seen: Seen) -> impl Strategy<Value = String> {
    let rank = select(vec!["0", "1.50", "2", "'NaN'"]);
    let title = select(vec!["ann", "bob", "a%", ""]);
    let right = match seen {
        Seen::Visible => (title, rank)
            .prop_map(|(title, rank)| format!("'{title}', false, {rank}"))
            .boxed(),
        Seen::Hidden => (title, rank, 0..4)
            .prop_map(|(title, rank, why)| match why {
                0 => format!("'{title}', true, {rank}"),
                1 => format!("'{title}', false, NULL"),
                2 => format!("'gone', false, {rank}"),
                _ => format!("NULL, false, {rank}"),
            })
            .boxed(),
    };
    (option::of(some_id()), right).prop_map(|(author, right)| format!("{}, {right}", sql(author)))
}

fn tag(seen: Seen) -> impl Strategy<Value = String> {
    match seen {
        Seen::Visible => select(vec!["'red'", "'blue'", "''"]).boxed(),
        Seen::Hidden => Just("'hidden'").boxed(),
    }
    .prop_map(str::to_owned)
}
