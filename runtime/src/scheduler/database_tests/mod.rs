//! Against a real Postgres: who enqueues, who starts, who waits, whose word counts.

mod asked;
mod due;
mod fired;
mod leases;

use koyalite_policy::ProjectName;

use super::enqueue::{BATCH_MAX, enqueue};
use crate::registry::functions::{self, DeployInput};
use crate::registry::leases::{Claimed, Lease, Room, Started, expire, fail, start, succeed};
use crate::registry::page::Page;
use crate::registry::run_history::{self, Run, RunFilter};
use crate::registry::schedules::{self, ScheduledTask};
use crate::registry::tests::TestRegistry;
use crate::registry::{Handler, Manifest, Registry, RegistryError};

/// A project with one function that is due once an hour.
struct Hourly {
    registry: TestRegistry,
    project: ProjectName,
}

impl Hourly {
    async fn new() -> Self {
        Self::with("").await
    }

    /// The same with more to say in its schedule.
    async fn with(rules: &str) -> Self {
        let registry = TestRegistry::new().await;
        let project = registry.project("demo").await.name;
        let hourly = Self { registry, project };
        hourly.deploy(rules).await.unwrap();
        hourly
    }

    async fn deploy(&self, rules: &str) -> Result<(), RegistryError> {
        let manifest = format!(
            "name = \"ticker\"\n[[schedules]]\nname = \"tick\"\ncron = \"0 * * * *\"\n{rules}"
        );
        let input = DeployInput {
            project: self.project.clone(),
            name: "ticker".parse().unwrap(),
            deployer: self.registry.admin(),
            sha256: "a".repeat(64),
            imports: Vec::new(),
            exports: Vec::new(),
            handler: Handler::None,
            scheduled: true,
            shared_refused: None,
            manifest: Some(Manifest::parse_toml(&manifest).unwrap()),
            source_url: None,
            terms: Default::default(),
        };
        functions::deploy(&self.registry, input).await.map(drop)
    }

    /// Makes the task due since so many hours, to the hour.
    async fn due_since_hours(&self, hours: u32) {
        self.registry
            .run(&format!(
                "UPDATE koyalite.scheduled_tasks
                 SET next_run = date_trunc('hour', now()) - interval '{hours} hours'"
            ))
            .await;
    }

    /// As if it were due at this hour, however late in the hour the test runs.
    async fn due_now(&self) {
        self.registry
            .run(
                "UPDATE koyalite.scheduled_tasks
                 SET cron_schedule = '* * * * * *', next_run = date_trunc('second', now())",
            )
            .await;
    }

    async fn task(&self) -> ScheduledTask {
        schedules::find(&self.registry, &self.project, "ticker.tick")
            .await
            .unwrap()
    }

    /// The runs, oldest first.
    async fn runs(&self) -> Vec<Run> {
        let (filter, page) = (RunFilter::default(), Page::first(1000));
        let task = self.task().await;
        let mut runs = run_history::list(&self.registry, &task, &filter, &page)
            .await
            .unwrap()
            .items;
        runs.reverse();
        runs
    }

    async fn statuses(&self) -> Vec<String> {
        let runs = self.runs().await.into_iter();
        runs.map(|run| run.status).collect()
    }

    async fn enqueue(&self) -> usize {
        enqueue(&self.registry, BATCH_MAX).await.unwrap()
    }

    async fn start(&self) -> Vec<Started> {
        start_on(&self.registry, 1000).await
    }

    /// Enqueues what is due and starts it.
    async fn claim(&self) -> Vec<Started> {
        self.enqueue().await;
        self.start().await
    }

    async fn succeed(&self, claimed: Claimed) -> Lease {
        let mut conn = self.registry.acquire().await.unwrap();
        succeed(&mut conn, claimed).await.unwrap()
    }

    async fn fail(&self, claimed: Claimed) -> Lease {
        let mut conn = self.registry.acquire().await.unwrap();
        fail(&mut conn, claimed, "it trapped").await.unwrap()
    }

    async fn expire(&self) -> u64 {
        let mut conn = self.registry.acquire().await.unwrap();
        expire(&mut conn, super::fire::LEASE_LOST).await.unwrap()
    }

    /// As if the node of every run had been silent for too long.
    async fn silence(&self) {
        self.registry
            .run(
                "UPDATE koyalite.runs SET lease_until = now() - interval '1 second'
                 WHERE status = 'running'",
            )
            .await;
    }
}

async fn start_on(node: &Registry, runs: i64) -> Vec<Started> {
    let room = Room {
        region: "local",
        node: "here",
        lease_s: 60.0,
        runs,
        per_project: 64,
        projects: &[],
        running: &[],
    };
    let mut conn = node.acquire().await.unwrap();
    match start(&mut conn, room).await {
        Ok(started) => started,
        Err(RegistryError::Conflict { .. }) => Vec::new(),
        Err(error) => panic!("{}", error.detail()),
    }
}
