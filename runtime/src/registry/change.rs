//! One change to control data: a transaction that ends by moving `koyalite.head`.
//!
//! The head row is written last, so it is locked only while committing, and the order of commits is
//! the order of its numbers: a poller that has seen a number has seen every change up to it.
//! A change that is dropped is rolled back and moves nothing.

use koyalite_policy::{ProjectName, TableName};
use sqlx::{Decode, Postgres, Type};
use uuid::Uuid;

use super::audit::write::{Row, insert};
use super::audit::{Author, Chain, Deed};
use super::ddl::{self, Ddl};
use super::error::RegistryError;
use super::pool::{DbConnection, Transaction};
use super::{Registry, policy_sets};

/// Names the lock in this database; any number would do.
const SHARED_GRANTS_LOCK: i64 = 0x6b6f_7961_6772_6e74;

/// An open change.
pub(crate) struct Change<'a> {
    registry: &'a Registry,
    tx: Transaction,
    author: Author,
    course: Course,
    /// The projects that it works on: nodes read these again.
    projects: Vec<Uuid>,
    /// The projects that it reaches into, and is not about: nodes read these again too.
    reached: Vec<Uuid>,
    /// The project in which a deployment begins.
    deploys: Option<Uuid>,
}

/// When statements on a project's tables run. Control data is written at once in any case: it is what
/// the rest of the change is judged by, and is undone with it.
#[derive(Debug)]
enum Course {
    /// As they come.
    AtOnce,
    /// Gathered, and run in their order before the commit.
    AtTheEnd(Vec<String>),
    /// Gathered, to be read: the change is never committed.
    Never(Vec<String>),
}

/// The project that a change works on. Its row is locked until the change ends.
#[derive(Debug, Clone)]
pub(crate) struct LockedProject {
    pub(crate) id: Uuid,
    pub(crate) schema: String,
    pub(crate) role: String,
    /// Whether policies of it, of some tables at least, are Postgres' own as well; see `mirror`.
    pub(crate) mirrored: bool,
    /// Where the extension of vectors lives, if the database has it.
    pub(crate) vector_schema: Option<String>,
}

/// What a project's history remembers of a change.
#[derive(Debug)]
pub(crate) struct Entry<'a> {
    pub(crate) project: Uuid,
    /// The subject of the operator's token.
    pub(crate) by: &'a str,
    pub(crate) steps: serde_json::Value,
}

impl<'a> Change<'a> {
    pub(crate) async fn begin(registry: &'a Registry) -> Result<Self, RegistryError> {
        Self::on(registry, Course::AtOnce).await
    }

    /// A change that alters tables when all of it has been judged.
    pub(crate) async fn at_the_end(registry: &'a Registry) -> Result<Self, RegistryError> {
        Self::on(registry, Course::AtTheEnd(Vec::new())).await
    }

    /// The same, as far as the judgement: it gathers what it would do.
    pub(crate) async fn never(registry: &'a Registry) -> Result<Self, RegistryError> {
        Self::on(registry, Course::Never(Vec::new())).await
    }

    async fn on(registry: &'a Registry, course: Course) -> Result<Self, RegistryError> {
        let tx = registry.pool.begin().await?;
        Ok(Self {
            registry,
            tx,
            author: Author::current(),
            course,
            projects: Vec::new(),
            reached: Vec::new(),
            deploys: None,
        })
    }

    /// The statements on tables that have been gathered.
    pub(crate) fn gathered(&self) -> &[String] {
        match &self.course {
            Course::AtOnce => &[],
            Course::AtTheEnd(gathered) | Course::Never(gathered) => gathered,
        }
    }

    /// The connection, for metadata statements.
    pub(crate) fn conn(&mut self) -> &mut DbConnection {
        &mut self.tx
    }

    /// Locks the project, so that a policy is never checked against tables that another change is
    /// about to alter.
    pub(crate) async fn lock(
        &mut self,
        name: &ProjectName,
    ) -> Result<LockedProject, RegistryError> {
        let locked = sqlx::query_as!(
            LockedProject,
            r#"SELECT id, database_schema AS schema, database_role AS role,
                   (settings -> 'native_mirror' = 'true') IS TRUE OR EXISTS (
                       SELECT FROM koyalite.tables t WHERE t.project_id = p.id AND t.native_mirror
                   ) AS "mirrored!",
                   (SELECT n.nspname::text FROM pg_extension e
                       JOIN pg_namespace n ON n.oid = e.extnamespace
                       WHERE e.extname = 'vector') AS vector_schema
               FROM koyalite.projects p WHERE name = $1 FOR UPDATE"#,
            name.as_str(),
        )
        .fetch_optional(self.conn())
        .await?
        .ok_or_else(|| RegistryError::not_found("project", name))?;
        if !self.projects.contains(&locked.id) {
            self.projects.push(locked.id);
        }
        Ok(locked)
    }

    /// The project is gone: what was done to it is for the installation's log.
    pub(crate) fn concerns_none(&mut self) {
        self.reached.append(&mut self.projects);
    }

    /// The change is about a project that it has just made.
    pub(crate) fn concerns(&mut self, project: Uuid) {
        self.projects.push(project);
    }

    /// A deployment begins: the policies that it begins with are those at the end of this change.
    pub(crate) fn deploys(&mut self, project: Uuid) {
        self.deploys = Some(project);
    }

    async fn note_policies(&mut self) -> Result<(), RegistryError> {
        match self.deploys.take() {
            Some(project) => policy_sets::begin(self.conn(), project).await,
            None => Ok(()),
        }
    }

    /// Waits for other changes that grant rights on what all projects share. Postgres does not queue
    /// such grants: of two at once, one fails.
    pub(crate) async fn take_turn(&mut self) -> Result<(), RegistryError> {
        sqlx::query("SELECT pg_advisory_xact_lock($1)")
            .bind(SHARED_GRANTS_LOCK)
            .execute(self.conn())
            .await?;
        Ok(())
    }

    /// Runs DDL inside the change: Postgres undoes it with everything else.
    pub(crate) async fn run(&mut self, ddl: Ddl) -> Result<(), RegistryError> {
        match &mut self.course {
            Course::AtOnce => self.run_now(ddl.into_text()).await,
            Course::AtTheEnd(gathered) | Course::Never(gathered) => {
                gathered.push(ddl.into_text());
                Ok(())
            }
        }
    }

    /// Keeps a table as it is until the change ends, so that what is asked of its rows stays true. A
    /// change that is never made needs that only where its owner would not see the rows.
    pub(crate) async fn hold(
        &mut self,
        project: &LockedProject,
        table: &TableName,
    ) -> Result<(), RegistryError> {
        match &self.course {
            Course::Never(_) if !project.mirrored => Ok(()),
            _ => {
                let lock = ddl::lock_table(project, table);
                self.run_now(lock.into_text()).await
            }
        }
    }

    async fn run_now(&mut self, statement: String) -> Result<(), RegistryError> {
        // Safe to assert: a `Ddl` is only made by `ddl`, from validated names that it quotes,
        // types and defaults of closed lists, fixed words, and what the policy engine prints of its
        // own tree. Nothing a caller wrote is in it as it was written.
        let statement = sqlx::AssertSqlSafe(statement);
        sqlx::raw_sql(statement).execute(self.conn()).await?;
        Ok(())
    }

    /// The one truth value that a question about a project's tables has.
    pub(crate) async fn finds(&mut self, question: Ddl) -> Result<bool, RegistryError> {
        self.asks(question).await
    }

    /// The one number that a question about a project's tables has.
    pub(crate) async fn counts(&mut self, question: Ddl) -> Result<i64, RegistryError> {
        self.asks(question).await
    }

    async fn asks<T>(&mut self, question: Ddl) -> Result<T, RegistryError>
    where
        T: for<'r> Decode<'r, Postgres> + Type<Postgres> + Send + Unpin,
    {
        // Safe to assert for the reason given in `run_now`.
        let statement = sqlx::AssertSqlSafe(question.into_text());
        Ok(sqlx::query_scalar(statement).fetch_one(self.conn()).await?)
    }

    /// Commits with a record of what was done, then serves the new state from this node at once.
    pub(crate) async fn commit(self, deed: Deed) -> Result<(), RegistryError> {
        self.last_statement(None, deed).await.map(drop)
    }

    /// The same, with an entry in the project's history. Answers the number that the head moved to.
    pub(crate) async fn commit_with(
        self,
        entry: &Entry<'_>,
        deed: Deed,
    ) -> Result<i64, RegistryError> {
        self.last_statement(Some(entry), deed).await
    }

    /// One statement, so that the head is the last thing to be locked, and a record costs no way of its
    /// own to the database.
    async fn last_statement(
        mut self,
        entry: Option<&Entry<'_>>,
        deed: Deed,
    ) -> Result<i64, RegistryError> {
        self.alter_tables().await?;
        self.note_policies().await?;
        let (projects, row) = self.last_words(deed);
        let seq = sqlx::query_scalar!(
            r#"WITH moved AS (UPDATE koyalite.head SET seq = seq + 1 RETURNING seq),
               recorded AS (INSERT INTO koyalite.audit_logs
                   (id, project_id, actor_id, action, target_type, target_id, request_id, metadata)
                   VALUES ($2, $3, $4, $5, $6, $7, $8, $9::text::json)),
               noted AS (INSERT INTO koyalite.schema_history (id, project_id, seq, applied_by, steps)
                   SELECT $2, $10, moved.seq, $11, $12 FROM moved WHERE $10::uuid IS NOT NULL),
               gone AS (INSERT INTO koyalite.removed_projects (id, seq)
                   SELECT changed, moved.seq FROM moved, unnest($1::uuid[]) AS changed
                   WHERE NOT EXISTS (SELECT FROM koyalite.projects p WHERE p.id = changed)),
               told AS (UPDATE koyalite.projects SET seq = moved.seq FROM moved WHERE id = ANY($1))
               SELECT seq AS "seq!" FROM moved"#,
            &projects,
            row.id,
            row.project,
            row.author.actor,
            row.action,
            row.target_type,
            row.target,
            row.author.request,
            row.metadata.to_string(),
            entry.map(|entry| entry.project),
            entry.map(|entry| entry.by),
            entry.map(|entry| &entry.steps),
        )
        .fetch_one(self.conn())
        .await?;
        self.finish().await?;
        Ok(seq)
    }

    /// Commits what no node serves from its snapshot, such as sessions: the head stays where it is.
    pub(crate) async fn keep(mut self, deed: Deed) -> Result<(), RegistryError> {
        let (_, row) = self.last_words(deed);
        insert(self.conn(), &row).await?;
        self.keep_unrecorded().await
    }

    /// The same for what happens too often to be worth a record: that a session goes on.
    pub(crate) async fn keep_unrecorded(self) -> Result<(), RegistryError> {
        self.tx.commit().await?;
        Ok(())
    }

    /// Who acts, where no token says so: who signs in.
    pub(crate) fn by(&mut self, user: Uuid) {
        self.author.actor = user.to_string();
    }

    /// Locks projects by id, where a change reaches into several; in one order, so that two such
    /// changes wait for each other and do not stop each other.
    pub(crate) async fn lock_all(&mut self, projects: &[Uuid]) -> Result<(), RegistryError> {
        sqlx::query!(
            "SELECT id FROM koyalite.projects WHERE id = ANY($1) ORDER BY id FOR UPDATE",
            projects,
        )
        .fetch_all(self.conn())
        .await?;
        self.reached.extend_from_slice(projects);
        Ok(())
    }

    /// The projects that nodes read again, and the record of the change: in the log of the project that
    /// it is about, else in the installation's.
    fn last_words(&mut self, deed: Deed) -> (Vec<Uuid>, Row) {
        let mut projects = std::mem::take(&mut self.projects);
        let chain = projects
            .first()
            .map_or(Chain::Installation, |id| Chain::Project(*id));
        projects.append(&mut self.reached);
        (projects, Row::new(chain, self.author.clone(), deed))
    }

    async fn alter_tables(&mut self) -> Result<(), RegistryError> {
        let course = std::mem::replace(&mut self.course, Course::AtOnce);
        let gathered = match course {
            Course::AtOnce => return Ok(()),
            Course::AtTheEnd(gathered) => gathered,
            Course::Never(_) => return Err(RegistryError::internal("a plan was to be committed")),
        };
        for statement in gathered {
            self.run_now(statement).await?;
        }
        Ok(())
    }

    async fn finish(self) -> Result<(), RegistryError> {
        self.tx.commit().await?;
        // The change stands whether or not it can be read back; polling will catch up.
        // Boxed: it is larger than all of the change before it.
        if let Err(error) = Box::pin(self.registry.refresh()).await {
            tracing::warn!(
                error = error.detail(),
                "a change is stored but not served yet"
            );
        }
        self.registry.changed.notify_one();
        Ok(())
    }
}

/// The id of a project, for reading.
pub(crate) async fn project_id(
    registry: &Registry,
    name: &ProjectName,
) -> Result<Uuid, RegistryError> {
    sqlx::query_scalar!(
        "SELECT id FROM koyalite.projects WHERE name = $1",
        name.as_str()
    )
    .fetch_optional(&registry.pool)
    .await?
    .ok_or_else(|| RegistryError::not_found("project", name))
}
