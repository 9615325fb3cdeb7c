//! A test's database with projects in it, and short ways to say what a test is about.

use std::collections::BTreeSet;
use std::sync::Arc;

use koyalite_host_api::db::{DatabaseAccess, Databases, Homes, Mirror, NodeLimits, Password};
use koyalite_host_api::error::HostError;
use koyalite_host_api::files::Files;
use koyalite_host_api::invocation::Project;
use koyalite_host_api::relationship::{Multiplicity, Relationship};
use koyalite_host_api::tables::{Filter, InsertQuery, insert};
use koyalite_host_api::vectors::PgVector;
use koyalite_policy::{
    ColumnShape, Command, Effect, Identity, PolicySource, Schema, TableShape, User, Value, native,
};
use serde_json::{Map, Value as Json};
use tokio_postgres::Client;
use uuid::Uuid;

use super::server::{PASSWORD, Server};

/// One test's database.
pub(crate) struct TestDatabase {
    pub(crate) admin: Client,
    pub(crate) databases: Databases,
    server: &'static Server,
    name: String,
}

/// One project in it, with its credentials.
pub(crate) struct TestProject {
    pub(crate) project: Project,
    pub(crate) access: DatabaseAccess,
}

impl TestDatabase {
    pub(crate) async fn new() -> TestDatabase {
        TestDatabase::with_limits(Server::shared(), NodeLimits::default()).await
    }

    pub(crate) async fn with_limits(server: &'static Server, limits: NodeLimits) -> TestDatabase {
        TestDatabase::at_home(server, limits, Homes::default()).await
    }

    pub(crate) async fn at_home(
        server: &'static Server,
        limits: NodeLimits,
        homes: Homes,
    ) -> TestDatabase {
        let name = server.create_database().await;
        let admin = server.admin(&name).await;
        let mut base = server.config();
        base.dbname(&name);
        let databases = Databases::at_home(base, limits, homes).unwrap();
        TestDatabase {
            admin,
            databases,
            server,
            name,
        }
    }

    /// pgvector, where the server has it: from now on it is in the database.
    pub(crate) async fn pgvector(&self) -> Option<PgVector> {
        let offered = "SELECT count(*) FROM pg_available_extensions WHERE name = 'vector'";
        let offered = self.admin.query_one(offered, &[]).await.unwrap();
        if offered.get::<_, i64>(0) == 0 {
            return None;
        }
        let create = "CREATE EXTENSION IF NOT EXISTS vector";
        self.admin.batch_execute(create).await.unwrap();
        let schema = "public".to_owned();
        Some(PgVector { schema })
    }

    /// A project with one role, one schema, and these tables under these policies.
    pub(crate) async fn project(
        &self,
        tables: &[(&str, &[&str])],
        policies: Vec<PolicySource>,
    ) -> TestProject {
        let id = Uuid::new_v4();
        let (role, schema) = (
            format!("koya_p_{}", id.simple()),
            format!("p_{}", id.simple()),
        );
        let set_up = format!(
            "CREATE ROLE {role} LOGIN PASSWORD '{PASSWORD}' NOSUPERUSER NOBYPASSRLS;
             CREATE SCHEMA {schema};
             GRANT USAGE ON SCHEMA {schema}, koyalite_api TO {role};
             ALTER ROLE {role} SET search_path = {schema};
             ALTER ROLE {role} SET statement_timeout = '5s';"
        );
        self.admin.batch_execute(&set_up).await.unwrap();
        let (mut shapes, mut relationships) = (Vec::new(), Vec::new());
        let has_vectors = "SELECT to_regtype('public.vector') IS NOT NULL";
        let row = self.admin.query_one(has_vectors, &[]).await.unwrap();
        let vectors = match row.get(0) {
            true => Stored::Vectors,
            false => Stored::Arrays,
        };
        for (name, columns) in tables {
            let (shape, ddl) = table(name, columns, vectors);
            let create = format!(
                "SET search_path = {schema}; CREATE TABLE {schema}.{name} ({ddl});
                 GRANT SELECT, INSERT, UPDATE, DELETE ON {schema}.{name} TO {role};"
            );
            self.admin.batch_execute(&create).await.unwrap();
            relationships.extend(references(name, columns));
            shapes.push(shape);
        }
        let access = DatabaseAccess {
            role,
            password: Password::new(PASSWORD),
            schema,
        };
        let project = Project {
            id,
            name: "demo".parse().unwrap(),
            schema: Arc::new(Schema::build(shapes, policies).unwrap()),
            relationships: relationships.into(),
            vectors: Arc::default(),
            database: self.databases.project(id, &access),
            mirror: Mirror::Off,
            reads: Default::default(),
            files: Files::default(),
            select_rows: koyalite_host_api::limits::SELECT_ROWS,
        };
        TestProject { project, access }
    }

    /// Makes the policies of `schema` Postgres' own on the project's tables. The host goes on by those
    /// that the project has, and tells who asks.
    pub(crate) async fn mirror(&self, project: &mut TestProject, schema: &Schema) {
        for rules in schema.tables() {
            let name = &rules.shape().name;
            let statements = native::statements(schema, name, &project.access.schema);
            for statement in statements.unwrap() {
                let made = self.admin.batch_execute(&statement).await;
                made.unwrap_or_else(|error| panic!("{statement}: {error:?}"));
            }
        }
        project.project.mirror = Mirror::On;
    }

    /// The usual: todos that belong to whoever made them.
    pub(crate) async fn todos(&self) -> TestProject {
        let own = policy("todos", &Command::ALL, "owner_id = auth.uid()");
        self.project(&[("todos", TODOS)], vec![own]).await
    }

    /// What a project's table really holds, by the superuser's eyes.
    pub(crate) async fn count(&self, project: &TestProject, table: &str) -> i64 {
        let query = format!("SELECT count(*) FROM {}.{table}", project.access.schema);
        self.admin.query_one(&query, &[]).await.unwrap().get(0)
    }

    /// Returns once some statement in this database waits for a lock.
    pub(crate) async fn until_somebody_waits(&self) {
        let query = "SELECT count(*) FROM pg_stat_activity \
                     WHERE datname = $1 AND wait_event_type = 'Lock'";
        loop {
            let row = self.admin.query_one(query, &[&self.name]).await.unwrap();
            if row.get::<_, i64>(0) > 0 {
                return;
            }
        }
    }

    /// A raw connection with a project's own credentials.
    pub(crate) async fn tenant(&self, project: &TestProject) -> Client {
        let mut config = self.server.config();
        config
            .dbname(&self.name)
            .user(&project.access.role)
            .password(PASSWORD);
        let (client, connection) = config.connect(tokio_postgres::NoTls).await.unwrap();
        tokio::spawn(connection);
        client
    }
}

impl TestProject {
    /// Todos of one owner, numbered from `first` on.
    pub(crate) async fn add_todos(&self, owner: &Owner, first: i64, titles: &[&str]) {
        let todos = (first..)
            .zip(titles)
            .map(|(id, title)| owner.todo(id, title));
        let query = InsertQuery {
            table: "todos".into(),
            rows: Json::from_iter(todos).to_string(),
            ..InsertQuery::default()
        };
        let written = insert(&self.project, &owner.identity, query).await;
        written.unwrap_or_else(|error| panic!("{error:?}"));
    }
}

pub(crate) const TODOS: &[&str] = &[
    "id bigint primary key",
    "owner_id uuid not null",
    "title text not null",
    "done boolean not null default false",
    "note text",
];

/// How vectors are stored.
#[derive(Clone, Copy)]
enum Stored {
    /// As pgvector's.
    Vectors,
    /// As arrays, without it.
    Arrays,
}

impl Stored {
    fn line(self, line: &str) -> String {
        match (self, line.split_once(" vector(")) {
            (_, None) => line.to_owned(),
            // Looked up where extensions are made; the project's own schema is searched alone.
            (Stored::Vectors, Some((name, rest))) => format!("{name} public.vector({rest}"),
            (Stored::Arrays, Some((name, rest))) => {
                let (_, rest) = rest.split_once(')').unwrap();
                format!("{name} real[]{rest}")
            }
        }
    }
}

/// A table from lines of DDL. The shape is read off the same lines, so the two agree.
fn table(name: &str, lines: &[&str], vectors: Stored) -> (TableShape, String) {
    let shape_of = |line: &&str| {
        let mut words = line.split(' ');
        let name = words.next().unwrap().parse().unwrap();
        let primary_key = line.contains("primary key");
        ColumnShape {
            name,
            ty: words.next().unwrap().parse().unwrap(),
            nullable: !primary_key && !line.contains("not null"),
            has_default: line.contains("default") || line.contains("generated"),
            primary_key,
            unique: primary_key || line.contains("unique"),
            values: None,
        }
    };
    let mut columns: Vec<ColumnShape> = lines
        .iter()
        .filter(|line| !line.starts_with("primary key") && !line.starts_with("unique ("))
        .map(shape_of)
        .collect();
    // A key of several columns is a line of its own: `primary key (a, b)`.
    if let Some(key) = lines
        .iter()
        .find_map(|line| line.strip_prefix("primary key "))
    {
        let names: Vec<_> = key.trim_matches(['(', ')']).split(", ").collect();
        for column in &mut columns {
            column.primary_key = names.contains(&column.name.as_str());
            column.nullable &= !column.primary_key;
        }
    }
    // So is what is unique together: `unique (a, b)`.
    let together = lines
        .iter()
        .filter_map(|line| line.strip_prefix("unique ("));
    let together = together.map(|names| {
        let names = names.trim_end_matches(')').split(", ");
        names.map(|name| name.parse().unwrap()).collect()
    });
    let unique_together = together.collect();
    let collated: Vec<_> = lines
        .iter()
        .map(|line| vectors.line(line))
        .map(|line| match line.contains(" text[]") {
            true => line.replacen(" text[]", " text[] COLLATE \"C\"", 1),
            false => line.replacen(" text", " text COLLATE \"C\"", 1),
        })
        .collect();
    (
        TableShape {
            name: name.parse().unwrap(),
            columns,
            unique_together,
        },
        collated.join(", "),
    )
}

/// The references among lines of DDL: `author_id uuid references people(id)`.
fn references(table: &str, lines: &[&str]) -> Vec<Relationship> {
    let reference = |line: &&str| {
        let (_, target) = line.split_once(" references ")?;
        let (to_table, rest) = target.split_once('(')?;
        let column = line.split(' ').next()?;
        Some(Relationship {
            constraint: format!("{table}_{column}_fkey"),
            from_table: table.parse().unwrap(),
            from_column: column.parse().unwrap(),
            to_table: to_table.parse().unwrap(),
            to_column: rest.split(')').next()?.parse().unwrap(),
            multiplicity: match line.contains("unique") || line.contains("primary key") {
                true => Multiplicity::OneToOne,
                false => Multiplicity::OneToMany,
            },
        })
    };
    lines.iter().filter_map(reference).collect()
}

/// A policy that allows `commands` where `using` is true, for old and new rows alike.
pub(crate) fn policy(table: &str, commands: &[Command], using: &str) -> PolicySource {
    let commands: BTreeSet<_> = commands.iter().copied().collect();
    let only_insert = commands.iter().all(|command| *command == Command::Insert);
    let text = Some(using.to_owned());
    PolicySource {
        id: Uuid::new_v4(),
        name: using.to_owned(),
        table: table.parse().unwrap(),
        effect: Effect::Allow,
        commands,
        roles: Vec::new(),
        using: if only_insert { None } else { text.clone() },
        check: if only_insert { text } else { None },
        read: None,
        write: None,
        set: Default::default(),
        enabled: true,
    }
}

/// Somebody who owns rows.
pub(crate) struct Owner {
    pub(crate) id: Uuid,
    pub(crate) identity: Identity,
}

impl Owner {
    pub(crate) fn new() -> Owner {
        let id = Uuid::new_v4();
        Owner {
            id,
            identity: user(&id.to_string()),
        }
    }

    /// A row of `todos` as JSON.
    pub(crate) fn todo(&self, id: i64, title: &str) -> Json {
        serde_json::json!({"id": id, "owner_id": self.id, "title": title})
    }
}

/// A user with this subject and no other claim.
pub(crate) fn user(subject: &str) -> Identity {
    let mut claims = Map::new();
    claims.insert("sub".to_owned(), subject.into());
    Identity::User(User::new(subject.to_owned(), claims))
}

pub(crate) fn filter(text: &str, params: Vec<Value>) -> Filter {
    Filter {
        text: text.to_owned(),
        params,
    }
}

/// An answer as a tree, for comparing.
pub(crate) fn rows(answer: Result<String, HostError>) -> Json {
    let text = answer.unwrap_or_else(|error| panic!("{}: {error:?}", error.code()));
    serde_json::from_str(&text).unwrap()
}
