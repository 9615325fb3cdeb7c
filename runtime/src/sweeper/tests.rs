use object_store::ObjectStoreExt as _;
use object_store::memory::InMemory;
use sqlx::PgConnection;

use super::*;
use crate::registry::projects::Project;
use crate::registry::removal;
use crate::registry::tests::TestRegistry;

/// A registry with one project, its role, and a store in memory.
struct Swept {
    registry: TestRegistry,
    project: Project,
    tenant: PgConnection,
    objects: Arc<InMemory>,
    sweeper: Sweeper,
}

impl Swept {
    async fn new() -> Swept {
        let registry = TestRegistry::new().await;
        let project = registry.project("demo").await;
        let tenant = registry.as_tenant(&project).await;
        let objects = Arc::new(InMemory::new());
        let store = Objects {
            store: objects.clone(),
            parts: Some(objects.clone()),
            folder: None,
        };
        let sweeper = Sweeper::new(registry.registry.clone(), store);
        Swept {
            registry,
            project,
            tenant,
            objects,
            sweeper,
        }
    }

    /// Begins content, and puts it into the store.
    async fn begin(&mut self) -> Uuid {
        let version = Uuid::now_v7();
        let begin =
            "SELECT koyalite_api.begin_file('u', 'a', '', 'text/plain', 1, now(), $1, '', '', 0)";
        let begun = sqlx::query(begin).bind(version).execute(&mut self.tenant);
        begun.await.unwrap();
        let object = key(self.project.id, version);
        self.objects.put(&object, "x".into()).await.unwrap();
        version
    }

    /// Makes it a file, in the place of `seen` or as a new one; the SQLSTATE where that is refused.
    async fn commit(
        &mut self,
        path: &str,
        version: Uuid,
        seen: Option<Uuid>,
    ) -> Result<(), String> {
        let commit =
            "SELECT koyalite_api.commit_file('u', $1, '', 'text/plain', 1, now(), $2, 'h', '',
             gen_random_uuid(), $1, $3, NULL, NULL)";
        let commit = sqlx::query(commit).bind(path).bind(version).bind(seen);
        told(commit.execute(&mut self.tenant).await)
    }

    /// Sends a message under a key that carries this content; the SQLSTATE where that is refused.
    async fn send(&mut self, key: &str, version: Uuid) -> Result<(), String> {
        let carried = format!(
            r#"[{{"name": "a", "mime_type": "text/plain", "size": 1, "version": "{version}"}}]"#
        );
        let send = "SELECT koyalite_api.send_email('ann@example.com', 'example.com',
             'shop@shop.example', 'Hi', NULL, NULL, gen_random_uuid(), 'f', gen_random_uuid(), '',
             NULL, 'text', NULL, NULL, $1, $2)";
        let send = sqlx::query(send).bind(key).bind(carried);
        told(send.execute(&mut self.tenant).await)
    }

    async fn let_time_pass(&self) {
        let past = "UPDATE koyalite.file_contents SET sweep_after = now() - interval '1 second'
                    WHERE sweep_after IS NOT NULL";
        self.registry.run(past).await;
    }

    async fn has(&self, version: Uuid) -> bool {
        let object = key(self.project.id, version);
        let there = self.objects.head(&object).await.is_ok();
        let known =
            format!("SELECT count(*) FROM koyalite.file_contents WHERE version = '{version}'");
        let known: i64 = self.registry.ask(&known).await;
        assert_eq!(
            known == 1,
            there,
            "a row for each content, and content for each row"
        );
        there
    }
}

fn told<T>(answer: Result<T, sqlx::Error>) -> Result<(), String> {
    match answer {
        Ok(_) => Ok(()),
        Err(error) => {
            let error = error.as_database_error().expect("the database answers");
            Err(error.code().unwrap().into_owned())
        }
    }
}

#[tokio::test]
async fn what_an_upload_that_broke_off_has_left_goes_when_its_time_is_over() {
    let mut swept = Swept::new().await;
    let left = swept.begin().await;
    let kept = swept.begin().await;
    swept.commit("a", kept, None).await.unwrap();
    swept.sweeper.sweep().await;
    assert!(swept.has(left).await, "it may still be on its way");
    swept.let_time_pass().await;
    swept.sweeper.sweep().await;
    assert!(!swept.has(left).await);
    assert!(swept.has(kept).await);
    assert_eq!(swept.commit("b", left, None).await, Err("KY023".to_owned()));
}

#[tokio::test]
async fn what_was_written_over_goes_and_what_a_copy_has_stays() {
    let mut swept = Swept::new().await;
    let (old, new) = (swept.begin().await, swept.begin().await);
    swept.commit("a", old, None).await.unwrap();
    swept.commit("copy", old, None).await.unwrap();
    assert_eq!(
        swept.commit("a", new, Some(new)).await,
        Err("KY022".to_owned())
    );
    swept.commit("a", new, Some(old)).await.unwrap();
    swept.let_time_pass().await;
    swept.sweeper.sweep().await;
    assert!(swept.has(old).await, "the copy has it");
    swept
        .registry
        .run("DELETE FROM koyalite.files WHERE path = 'copy'")
        .await;
    swept.sweeper.sweep().await;
    assert!(swept.has(old).await, "somebody may be reading it");
    swept.let_time_pass().await;
    swept.sweeper.sweep().await;
    assert!(!swept.has(old).await);
    assert!(swept.has(new).await);
    let used: i64 = swept
        .registry
        .ask("SELECT bytes FROM koyalite.file_usage")
        .await;
    assert_eq!(used, 1);
}

#[tokio::test]
async fn what_a_message_carries_stays_until_it_has_gone_out() {
    let mut swept = Swept::new().await;
    let sender = "INSERT INTO koyalite.email_senders (id, project_id, address)
                  SELECT gen_random_uuid(), id, 'shop@shop.example' FROM koyalite.projects";
    swept.registry.run(sender).await;
    let version = swept.begin().await;
    swept.commit("terms", version, None).await.unwrap();
    swept.send("one", version).await.unwrap();
    swept.registry.run("DELETE FROM koyalite.files").await;
    // A second one while it is nobody's file any more.
    swept.send("two", version).await.unwrap();
    swept.send("one", version).await.unwrap();
    let other = swept.begin().await;
    assert_eq!(swept.send("one", other).await, Err("KY011".to_owned()));
    for key in ["one", "two"] {
        swept.let_time_pass().await;
        swept.sweeper.sweep().await;
        assert!(swept.has(version).await, "{key} carries it");
        let gone = format!("DELETE FROM koyalite.email_logs WHERE idempotency_key = '{key}'");
        swept.registry.run(&gone).await;
    }
    swept.sweeper.sweep().await;
    assert!(!swept.has(version).await);
    assert_eq!(swept.send("three", version).await, Err("KY023".to_owned()));
}

#[tokio::test]
async fn nothing_is_left_of_a_deleted_project() {
    let mut swept = Swept::new().await;
    let version = swept.begin().await;
    swept.commit("a", version, None).await.unwrap();
    let name = swept.project.name.clone();
    removal::project(&swept.registry, &name).await.unwrap();
    swept.sweeper.sweep().await;
    assert!(!swept.has(version).await);
}

#[tokio::test]
async fn a_project_sees_and_changes_its_own_files_alone() {
    let mut swept = Swept::new().await;
    let version = swept.begin().await;
    swept.commit("a", version, None).await.unwrap();
    let other = swept.registry.project("other").await;
    let mut stranger = swept.registry.as_tenant(&other).await;
    let seen: i64 = sqlx::query_scalar("SELECT count(*) FROM koyalite_api.files")
        .fetch_one(&mut stranger)
        .await
        .unwrap();
    assert_eq!(seen, 0);
    let delete = "SELECT koyalite_api.delete_file(id, version) FROM koyalite.files";
    for sql in [
        delete,
        "SELECT * FROM koyalite.files",
        "DELETE FROM koyalite_api.files",
    ] {
        let refused = sqlx::query(sql).execute(&mut stranger).await.unwrap_err();
        assert_eq!(
            refused.as_database_error().unwrap().code().unwrap(),
            "42501",
            "{sql}"
        );
    }
    let steal = "SELECT koyalite_api.commit_file('u', 'b', '', 'text/plain', 1, now(), $1, 'h', '',
         gen_random_uuid(), 'b', NULL, NULL, NULL)";
    let stolen = sqlx::query(steal)
        .bind(version)
        .execute(&mut stranger)
        .await
        .unwrap_err();
    assert_eq!(stolen.as_database_error().unwrap().code().unwrap(), "KY023");
}
