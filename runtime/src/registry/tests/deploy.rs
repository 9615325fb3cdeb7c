use koyalite_policy::ProjectName;

use super::*;
use crate::registry::condition::Condition;
use crate::registry::functions::{self, DeployInput, Deployed, FunctionFilter, RollbackTo, Switch};
use crate::registry::page::Page;
use crate::registry::schedules;

pub(super) struct Deploying {
    pub(super) registry: TestRegistry,
    pub(super) project: ProjectName,
}

impl Deploying {
    pub(super) async fn new() -> Self {
        let registry = TestRegistry::new().await;
        let project = registry.project("demo").await.name;
        Self { registry, project }
    }

    pub(super) fn input(&self, name: &str, code: char, manifest: Option<&str>) -> DeployInput {
        DeployInput {
            project: self.project.clone(),
            name: name.parse().unwrap(),
            deployer: self.registry.admin(),
            sha256: code.to_string().repeat(64),
            imports: vec!["wasi:clocks/monotonic-clock@0.2.3".to_owned()],
            exports: vec!["wasi:http/incoming-handler@0.2.3".to_owned()],
            handler: Handler::P2,
            scheduled: false,
            shared_refused: Some("a 0.2 handler blocks its instance".to_owned()),
            manifest: manifest.map(|text| Manifest::parse_toml(text).unwrap()),
            source_url: None,
            terms: Default::default(),
        }
    }

    pub(super) async fn deploy(&self, code: char, manifest: Option<&str>) -> Deployed {
        functions::deploy(&self.registry, self.input("hello", code, manifest))
            .await
            .unwrap()
    }

    async fn rollback(&self, to: RollbackTo) -> Result<Deployed, RegistryError> {
        let wanted = functions::Rollback {
            to,
            policies: functions::Policies::Stay,
            message: None,
            by: self.registry.admin(),
        };
        let name = "hello".parse().unwrap();
        functions::rollback(&self.registry, &self.project, &name, wanted).await
    }

    /// The version that requests reach.
    pub(super) fn served(&self) -> u32 {
        let snapshot = self.registry.snapshot();
        snapshot.project(&self.project).unwrap().functions[0]
            .active
            .number
    }

    pub(super) async fn deployments(&self) -> i64 {
        self.registry
            .ask("SELECT count(*) FROM koyalite.deployments")
            .await
    }
}

#[tokio::test]
async fn other_bytes_make_a_version_the_same_none_and_older_ones_a_deployment() {
    let t = Deploying::new().await;
    let first = t.deploy('a', None).await;
    assert_eq!(
        (first.version, first.changed, first.path.as_str()),
        (1, true, "/hello")
    );
    let seq = t.registry.snapshot().seq;
    let same = t.deploy('a', None).await;
    assert_eq!((same.version, same.changed), (1, false));
    assert_eq!(
        t.registry.ask::<i64>("SELECT seq FROM koyalite.head").await,
        seq
    );

    let second = t.deploy('b', None).await;
    assert_eq!((second.version, second.changed, t.served()), (2, true, 2));
    let older = t.deploy('a', None).await;
    assert_eq!((older.version, older.changed, t.served()), (1, true, 1));
    assert_eq!(t.deployments().await, 3);

    let name = "hello".parse().unwrap();
    let versions = functions::versions(&t.registry, &t.project, &name, &Page::first(10))
        .await
        .unwrap()
        .items;
    let numbers: Vec<_> = versions.iter().map(|v| (v.version, v.active)).collect();
    assert_eq!(numbers, [(2, false), (1, true)]);
}

#[tokio::test]
async fn a_deploy_without_a_manifest_keeps_the_one_that_serves() {
    let t = Deploying::new().await;
    t.deploy('a', Some("name = \"hello\"\npath = \"/hi\""))
        .await;
    let second = t.deploy('b', None).await;
    assert_eq!((second.version, second.path.as_str()), (2, "/hi"));
    let third = t.deploy('b', Some("name = \"hello\"")).await;
    assert_eq!((third.version, third.path.as_str()), (3, "/hello"));
}

#[tokio::test]
async fn rolling_back_is_a_new_deployment_of_an_old_version() {
    let t = Deploying::new().await;
    t.deploy('a', None).await;
    let error = t.rollback(RollbackTo::Previous).await.unwrap_err();
    assert!(matches!(error, RegistryError::Conflict { .. }), "{error}");
    t.deploy('b', None).await;
    t.deploy('c', None).await;
    assert_eq!(t.rollback(RollbackTo::Previous).await.unwrap().version, 2);
    assert_eq!((t.served(), t.deployments().await), (2, 4));
    assert_eq!(t.rollback(RollbackTo::Version(1)).await.unwrap().version, 1);
    assert!(!t.rollback(RollbackTo::Version(1)).await.unwrap().changed);
    let error = t.rollback(RollbackTo::Version(9)).await.unwrap_err();
    assert!(
        matches!(
            error,
            RegistryError::NotFound {
                what: "version",
                ..
            }
        ),
        "{error}"
    );
    assert_eq!(t.served(), 1);
}

#[tokio::test]
async fn a_path_belongs_to_one_function() {
    let t = Deploying::new().await;
    t.deploy('a', None).await;
    let manifest = Some("name = \"other\"\npath = \"/hello\"");
    let error = functions::deploy(&t.registry, t.input("other", 'b', manifest))
        .await
        .unwrap_err();
    assert!(
        error
            .to_string()
            .contains("another function of the project has this path"),
        "{error}"
    );
    assert_eq!(
        functions::list(
            &t.registry,
            &t.project,
            &FunctionFilter::default(),
            &Page::first(10)
        )
        .await
        .unwrap()
        .items
        .len(),
        1
    );
}

#[tokio::test]
async fn a_manifest_must_fit_its_component() {
    let t = Deploying::new().await;
    for (manifest, field) in [
        ("name = \"other\"", "name"),
        ("name = \"hello\"\nisolation = \"shared\"", "isolation"),
    ] {
        let input = t.input("hello", 'a', Some(manifest));
        match functions::deploy(&t.registry, input).await.unwrap_err() {
            RegistryError::Invalid { errors } => assert_eq!(errors[0].field, field),
            other => panic!("{other}"),
        }
    }
}

#[tokio::test]
async fn a_version_brings_its_schedules() {
    let t = Deploying::new().await;
    let tick = "[[schedules]]\nname = \"tick\"\ncron = \"*/5 * * * *\"\n";
    let nightly = "[[schedules]]\nname = \"nightly\"\ncron = \"0 3 * * *\"\n";
    let tasks = async || schedules::list(&t.registry, &t.project).await.unwrap();
    t.deploy('a', Some(&format!("name = \"hello\"\n{tick}{nightly}")))
        .await;
    let before = tasks().await;
    assert_eq!(
        before.iter().map(|t| t.name.as_str()).collect::<Vec<_>>(),
        ["nightly", "tick"]
    );
    assert!(
        before
            .iter()
            .all(|task| task.status == "active" && task.next_run.is_some())
    );

    t.registry
        .run("UPDATE koyalite.scheduled_tasks SET next_run = '2020-01-01Z'")
        .await;
    t.deploy('b', Some(&format!("name = \"hello\"\n{tick}")))
        .await;
    let kept = tasks().await;
    assert_eq!(kept.len(), 1);
    assert_eq!(kept[0].id, before[1].id);
    assert_eq!(
        kept[0].next_run,
        Some("2020-01-01T00:00:00Z".parse().unwrap())
    );

    t.rollback(RollbackTo::Previous).await.unwrap();
    let again = tasks().await;
    assert_eq!(again[0].id, before[0].id);
    assert!(again[0].next_run.unwrap() > before[0].next_run.unwrap() - chrono::TimeDelta::days(1));
}

#[tokio::test]
async fn a_function_is_switched_off_and_on() {
    let t = Deploying::new().await;
    t.deploy('a', None).await;
    let name = "hello".parse().unwrap();
    let set = async |to| {
        functions::set_enabled(&t.registry, &t.project, &name, (&Condition::Always, to))
            .await
            .unwrap()
    };
    assert!(!set(Switch::Disabled).await.enabled);
    assert!(!t.registry.snapshot().project(&t.project).unwrap().functions[0].enabled);
    assert!(set(Switch::Enabled).await.enabled);
}
