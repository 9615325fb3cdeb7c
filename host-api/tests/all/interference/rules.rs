//! The policies of both databases, and what of them a leaky compiler might lose.

use std::collections::BTreeSet;
use std::sync::Arc;

use koyalite_policy::{Claims, Command, Effect, PolicySource, Schema};

use crate::support::{TestProject, policy};

/// The conditions of the policies, with a part of each that a leaky compiler might lose.
pub(super) const CONDITIONS: &[(&str, &str, &str)] = &[
    ("people", "grade > 5", "grade > 3"),
    ("posts", "not draft and rank is not null", "not draft"),
    (
        "posts",
        "not draft and rank is not null",
        "rank is not null",
    ),
    ("tags", "word <> 'hidden'", "true"),
    ("post_tags", "not secret", "true"),
    ("members", "owner_id = auth.uid() and not suspended", "true"),
    (
        "notes",
        "exists (select 1 from members m where m.team = notes.team and m.owner_id = auth.uid()) \
         and (tag_id is null or tag_id in (select g.id from tags g))",
        "exists (select 1 from members m where m.team = notes.team) \
         and (tag_id is null or tag_id in (select g.id from tags g))",
    ),
    ("scores", "team < 9", "true"),
    ("documents", "lang <> 'hidden'", "true"),
];

/// What else a leaky compiler might lose: the deny, the mask, and a table's own policies where a
/// policy of another reads it.
const LOST_DENY: usize = CONDITIONS.len();
const LOST_MASK: usize = CONDITIONS.len() + 1;
const LOST_INSIDE: usize = CONDITIONS.len() + 2;
/// How many parts of the policies can be lost.
pub(crate) const LEAKS: usize = CONDITIONS.len() + 3;

/// The policies of a project, with the tables that they read past these tables' own.
pub(super) fn schema(project: &TestProject, lost: Option<usize>) -> Arc<Schema> {
    let rules = project.project.schema.tables();
    let shapes = rules.map(|rules| rules.shape().clone()).collect();
    let mut readable = BTreeSet::from(["members".parse().unwrap()]);
    if lost == Some(LOST_INSIDE) {
        readable.insert("tags".parse().unwrap());
    }
    let built = Schema::build_reading(shapes, policies(lost), Claims::default(), &readable);
    Arc::new(built.unwrap())
}

/// The policies; `lost` says what a leaky compiler has lost.
fn policies(lost: Option<usize>) -> Vec<PolicySource> {
    let text = |table: &str| {
        let leaky = lost.and_then(|lost| CONDITIONS.get(lost));
        match leaky.filter(|(leaky, _, _)| *leaky == table) {
            Some((_, _, leaky)) => *leaky,
            None => CONDITIONS.iter().find(|(t, _, _)| *t == table).unwrap().1,
        }
    };
    let open = ["posts", "tags", "post_tags", "notes", "documents"];
    let mut policies: Vec<_> = open
        .map(|table| policy(table, &Command::ALL, text(table)))
        .into();
    policies.push(policy("members", &[Command::Select], text("members")));
    policies.push(policy("scores", &Command::ALL, text("scores")));
    // Points only grow: the check compares with the row as it was.
    let scores = policies.last_mut().unwrap();
    scores.commands.remove(&Command::Update);
    let mut growing = policy("scores", &[Command::Update], text("scores"));
    growing.check = Some("points >= old.points and note is distinct from 'gone'".to_owned());
    policies.push(growing);
    // One's own people whole; of others, who has a grade, three columns.
    let mut graded = policy("people", &[Command::Select], text("people"));
    if lost != Some(LOST_MASK) {
        let columns = ["id", "name", "grade"].map(|name| name.parse().unwrap());
        graded.read = Some(columns.into());
    }
    policies.push(graded);
    policies.push(policy(
        "people",
        &[Command::Select],
        "owner_id = auth.uid()",
    ));
    let writing = [Command::Insert, Command::Update, Command::Delete];
    policies.push(policy(
        "people",
        &writing,
        "owner_id = auth.uid() or grade > 5",
    ));
    // What is gone is gone for everybody; NULL in a deny hides as well.
    let mut gone = policy("posts", &Command::ALL, "title = 'gone'");
    gone.effect = Effect::Deny;
    if lost != Some(LOST_DENY) {
        policies.push(gone);
    }
    policies
}
