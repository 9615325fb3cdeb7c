//! Two nodes over one database, one of them or both killed again and again, at moments that a seed
//! chooses: while functions send, while a receiver has an event, while a mail server has a message.
//!
//! Nothing that was acknowledged is lost, nothing is sent for what was rolled back, and whatever comes
//! twice carries the id of an attempt that the database knows of. `OUTBOX_SEED` repeats a run's choices.

mod ledger;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::future::join_all;
use http::Method;
use serde_json::json;

use self::ledger::{End, Kind, Ledger, Order};
use crate::support::{
    Chance, Launch, MailServer, Project, Receiver, ReceiverAnswer, Settings, TestApp, eventually,
    own_rows, send,
};

const PATIENCE: Duration = Duration::from_secs(180);

/// Enough for each way to be killed once or twice; `--long` has more.
const ROUNDS: u64 = 4;

/// Functions that are called at the same time.
const CALLERS: u64 = 4;

/// How far callers may be ahead of what has come.
const AHEAD_MAX: i64 = 40;

/// Kills when its count of moments has run down.
#[derive(Default)]
struct Trigger {
    moments: AtomicI64,
    victims: Mutex<Vec<i32>>,
    fired: AtomicBool,
}

impl Trigger {
    fn arm(&self, victims: Vec<i32>, moments: i64) {
        *self.victims.lock().unwrap() = victims;
        self.fired.store(false, Ordering::SeqCst);
        self.moments.store(moments, Ordering::SeqCst);
    }

    fn pull(&self) {
        if self.moments.fetch_sub(1, Ordering::SeqCst) == 1 {
            for victim in self.victims.lock().unwrap().iter() {
                send(*victim, libc::SIGKILL);
            }
            self.fired.store(true, Ordering::SeqCst);
        }
    }
}

/// The moments that nodes are killed at.
#[derive(Default)]
struct Triggers {
    /// Promises less what has come of them, so that callers do not run away from the outbox.
    ahead: AtomicI64,
    acknowledged: Trigger,
    received: Trigger,
    mailed: Trigger,
}

/// What stays while nodes come and go.
struct World {
    seed: u64,
    triggers: Arc<Triggers>,
    receiver: Receiver,
    mail: MailServer,
    ledger: Ledger,
}

impl World {
    async fn new(seed: u64) -> World {
        let triggers = Arc::new(Triggers::default());
        let seen = Arc::clone(&triggers);
        let receiver = Receiver::answering(move |received, before| {
            seen.ahead.fetch_sub(1, Ordering::SeqCst);
            seen.received.pull();
            // Now and then a first attempt fails, so that retries are on their way too.
            let unlucky = received.body.len() % 31 == 7 && before == 0;
            ReceiverAnswer::Status(if unlucky { 500 } else { 204 })
        });
        let seen = Arc::clone(&triggers);
        let mail = MailServer::watched(move |_| {
            seen.ahead.fetch_sub(1, Ordering::SeqCst);
            seen.mailed.pull();
        });
        World {
            seed,
            receiver: receiver.await,
            mail: mail.await,
            ledger: Ledger::default(),
            triggers,
        }
    }

    /// Whether there was an answer.
    async fn call(&self, project: &Project<'_>, order: &Order) -> bool {
        let path = match (order.kind, order.end) {
            (Kind::Event, End::Plain) => "/behaviours/emit".to_owned(),
            (Kind::Event, end) => format!("/behaviours/emit?end={}", end.word()),
            (Kind::Message, End::Plain) => "/behaviours/mail".to_owned(),
            (Kind::Message, end) => format!("/behaviours/mail?end={}", end.word()),
        };
        let call = project.call(Method::POST, &path).json(&order.body());
        let answer = call.attempt().await;
        let answered = answer.is_some();
        if self.ledger.note(order, answer) {
            self.triggers.ahead.fetch_add(1, Ordering::SeqCst);
            self.triggers.acknowledged.pull();
        }
        answered
    }

    /// Calls functions of both nodes until somebody was killed.
    async fn caller(&self, nodes: &[TestApp; 2], killed: &AtomicBool) {
        while !killed.load(Ordering::SeqCst) {
            let order = self.ledger.next(self.seed);
            let node = &nodes[usize::from(order.number.is_multiple_of(2))];
            if !self.call(&node.existing("survivor"), &order).await {
                // Its node is gone.
                return;
            }
            eventually("the outbox keeps up", PATIENCE, async || {
                let ahead = self.triggers.ahead.load(Ordering::SeqCst);
                (ahead < AHEAD_MAX || killed.load(Ordering::SeqCst)).then_some(())
            })
            .await;
        }
    }

    /// One round: work, a kill, and the nodes started again.
    async fn round(&self, nodes: [TestApp; 2], chance: &mut Chance) -> [TestApp; 2] {
        let ids = [nodes[0].process.id(), nodes[1].process.id()];
        let chosen = match chance.below(3) {
            0 => vec![0],
            1 => vec![1],
            _ => vec![0, 1],
        };
        let victims: Vec<i32> = chosen.iter().map(|at| ids[*at]).collect();
        let (trigger, moments) = match chance.below(3) {
            0 => (&self.triggers.acknowledged, 5 + chance.below(30)),
            1 => (&self.triggers.received, 3 + chance.below(20)),
            _ => (&self.triggers.mailed, 2 + chance.below(8)),
        };
        trigger.arm(victims, i64::try_from(moments).unwrap());
        let killed = AtomicBool::new(false);
        let watch = async {
            eventually("somebody is killed", PATIENCE, async || {
                trigger.fired.load(Ordering::SeqCst).then_some(())
            })
            .await;
            for at in &chosen {
                nodes[*at].process.wait(PATIENCE).await;
            }
            killed.store(true, Ordering::SeqCst);
        };
        let callers = join_all((0..CALLERS).map(|_| self.caller(&nodes, &killed)));
        tokio::join!(watch, callers);
        let [one, other] = nodes;
        let again = async |node: TestApp, is_dead: bool| match is_dead {
            true => TestApp::launch(node.launch.clone()).await,
            false => node,
        };
        let nodes = [
            again(one, chosen.contains(&0)).await,
            again(other, chosen.contains(&1)).await,
        ];
        // Whoever had no answer asks again, under the same key.
        let project = nodes[0].existing("survivor");
        for order in self.ledger.unanswered() {
            self.call(&project, &order).await;
        }
        assert_eq!(self.ledger.unanswered().len(), 0, "all is answered now");
        nodes
    }
}

async fn prepare(project: &Project<'_>, receiver: &Receiver) {
    project.deploy("behaviours").await;
    let mut tables = own_rows("notes");
    tables["tables"][0]["policies"] = json!([{ "name": "all", "using": "true", "check": "true" }]);
    project.schema(&tables).await;
    for table in ["koyalite_webhooks", "koyalite_email"] {
        let policy =
            json!({ "name": "send", "table": table, "commands": ["insert"], "check": "true" });
        let call = project.control(Method::POST, "/policies").json(&policy);
        call.send().await.expect(201);
    }
    let sender = json!({ "address": "shop@shop.example" });
    let call = project.control(Method::POST, "/email/senders");
    call.json(&sender).send().await.expect(201);
    let endpoint = json!({ "target_url": receiver.url, "columns": { "notes": ["title"] },
        "event_types": ["order.paid", "table.notes.*"] });
    let call = project.control(Method::POST, "/webhooks/endpoints");
    call.json(&endpoint).send().await.expect(201);
    let room = json!({ "settings": {
        "webhook_events_per_minute": 1_000_000, "emails_per_hour": 1_000_000 } });
    let call = project.control(Method::PATCH, "").json(&room);
    call.send().await.expect(200);
}

/// What a dead node held is free at once, and not in a minute or three: only claims of the dead are so
/// old that nobody alive can be at work on them.
const LET_GO: &str = "
    UPDATE koyalite.webhooks SET lease_until = clock_timestamp() - interval '1 second'
    WHERE status = 'sending' AND last_attempt_at < clock_timestamp() - interval '5 seconds';
    UPDATE koyalite.email_logs SET lease_until = clock_timestamp() - interval '1 second'
    WHERE status = 'sending' AND last_attempt_at < clock_timestamp() - interval '5 seconds'";

const OPEN: &str = "
    SELECT (SELECT count(*) FROM koyalite.webhooks WHERE status IN ('pending', 'sending'))
         + (SELECT count(*) FROM koyalite.email_logs WHERE status IN ('queued', 'sending', 'deferred'))";

async fn settle(client: &tokio_postgres::Client) {
    eventually("everything is over", PATIENCE, async || {
        client.batch_execute(LET_GO).await.unwrap();
        let open: i64 = client.query_one(OPEN, &[]).await.unwrap().get(0);
        (open == 0).then_some(())
    })
    .await;
}

#[tokio::test]
async fn kill_9_of_nodes_loses_nothing_and_sends_nothing_that_was_rolled_back() {
    let mut chance = Chance::seeded("OUTBOX_SEED");
    let world = World::new(chance.below(u64::MAX)).await;
    let launch = Launch::dev_beside_others().await;
    let launch = launch.set("KOYALITE_SMTP_URL", &world.mail.url);
    let one = TestApp::launch(launch).await;
    prepare(&one.project_named("survivor").await, &world.receiver).await;
    let other = TestApp::launch(one.launch.neighbour()).await;
    let mut nodes = [one, other];
    for _ in 0..Settings::number("OUTBOX_ROUNDS").unwrap_or(ROUNDS) {
        nodes = world.round(nodes, &mut chance).await;
    }
    let client = nodes[0].launch.database().connect().await;
    settle(&client).await;
    let events = events_are_right(&world, &client).await;
    let mail = mail_is_right(&world, &nodes[0].existing("survivor"), &client).await;
    println!("{events}; {mail}");
}

/// Every event that was acknowledged has come, under one id, and nothing else has.
async fn events_are_right(world: &World, client: &tokio_postgres::Client) -> String {
    let sql = "SELECT event_id::text, max(attempt_count), bool_and(status = 'delivered')
               FROM koyalite.webhooks GROUP BY event_id";
    let known: BTreeMap<String, (i32, bool)> = client
        .query(sql, &[])
        .await
        .unwrap()
        .into_iter()
        .map(|row| {
            let id: String = row.get(0);
            let id = format!("msg_{}", id.replace('-', ""));
            (id, (row.get(1), row.get(2)))
        })
        .collect();
    let mut copies: BTreeMap<String, i32> = BTreeMap::new();
    let mut numbers: BTreeMap<u64, String> = BTreeMap::new();
    let mut titles = Vec::new();
    for received in world.receiver.received() {
        let id = received.header("webhook-id").to_owned();
        let body = received.json();
        let count = copies.entry(id.clone()).or_default();
        *count += 1;
        if body["type"] == "order.paid" {
            let number = body["data"]["n"].as_u64().unwrap();
            let first = numbers.entry(number).or_insert_with(|| id.clone());
            assert_eq!(*first, id, "one key, one event");
        } else if *count == 1 {
            titles.push(body["data"]["row"]["title"].as_str().unwrap().to_owned());
        }
    }
    world.ledger.compare(Kind::Event, numbers.keys().copied());
    for (number, id) in &numbers {
        assert_eq!(world.ledger.id_of(*number).as_deref(), Some(id.as_str()));
    }
    for (id, copies) in &copies {
        let (attempts, delivered) = known[id];
        assert!(
            delivered && *copies <= attempts,
            "{id}: {copies} of {attempts}"
        );
    }
    assert_eq!(
        copies.len(),
        known.len(),
        "each event that there is has come"
    );
    titles.sort();
    let mut rows = rows(client).await;
    rows.sort();
    assert_eq!(
        titles, rows,
        "each row that is there is told of once, and no other"
    );
    let twice: i32 = copies.values().map(|copies| copies - 1).sum();
    format!("{} events, {twice} copies more", copies.len())
}

async fn rows(client: &tokio_postgres::Client) -> Vec<String> {
    let schema = "SELECT database_schema FROM koyalite.projects WHERE name = 'survivor'";
    let schema: String = client.query_one(schema, &[]).await.unwrap().get(0);
    let sql = format!("SELECT title FROM \"{schema}\".notes");
    let rows = client.query(&sql, &[]).await.unwrap();
    rows.into_iter().map(|row| row.get(0)).collect()
}

/// Every message that was acknowledged has come once, or is marked as one that may have; those that have
/// not come do once somebody asks.
async fn mail_is_right(
    world: &World,
    project: &Project<'_>,
    client: &tokio_postgres::Client,
) -> String {
    let sql = "SELECT id::text, recipient, status, ambiguous FROM koyalite.email_logs";
    let mut marked = 0;
    for row in client.query(sql, &[]).await.unwrap() {
        let (id, recipient, status): (String, String, String) =
            (row.get(0), row.get(1), row.get(2));
        let taken = world.mail.taken();
        let copies = taken.iter().filter(|one| one.to == recipient).count();
        if status == "sent" {
            assert_eq!(copies, 1, "{recipient}");
            continue;
        }
        assert!(
            row.get::<_, bool>(3) && copies <= 1,
            "{recipient}: {status}, {copies} copies"
        );
        marked += 1;
        if copies == 0 {
            let path = format!("/email/messages/{id}/resend");
            let again = project.control(Method::POST, &path).json(&json!({}));
            again.send().await.expect(204);
        }
    }
    settle(client).await;
    let taken = world.mail.taken();
    let mut numbers: Vec<u64> = taken
        .iter()
        .map(|one| one.to.split('@').next().unwrap().parse().unwrap())
        .collect();
    numbers.sort_unstable();
    let count = numbers.len();
    numbers.dedup();
    assert_eq!(numbers.len(), count, "nobody has a message twice");
    world.ledger.compare(Kind::Message, numbers.into_iter());
    format!("{count} messages, {marked} marked as ambiguous")
}
