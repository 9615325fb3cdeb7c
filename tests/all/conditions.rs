//! Changes under a condition: who has not seen the last state of a thing changes nothing.

use futures::future::join_all;
use http::Method;
use serde_json::{Value, json};

use crate::support::{Answer, Project, TestApp, guest, own_rows};

/// So many at once that some of them meet.
const AT_ONCE: usize = 6;

/// What is changed: where, where it is read, and two changes, the first to another state than the present.
struct Thing {
    method: Method,
    path: String,
    read: String,
    changes: [Value; 2],
}

impl Thing {
    fn new(method: Method, path: &str, changes: [Value; 2]) -> Thing {
        let (path, read) = (path.to_owned(), path.to_owned());
        Thing {
            method,
            path,
            read,
            changes,
        }
    }

    /// The same, where the tag is that of something around it.
    fn read_at(self, read: &str) -> Thing {
        let read = read.to_owned();
        Thing { read, ..self }
    }

    async fn read(&self, app: &TestApp) -> String {
        let read = app.control(Method::GET, &self.read).send().await;
        let tag = read.expect(200).header("etag").to_owned();
        assert!(tag.starts_with('"'), "{}: {tag:?}", self.read);
        tag
    }

    async fn change(&self, app: &TestApp, change: usize, tag: Option<&str>) -> Answer {
        let call = app.control(self.method.clone(), &self.path);
        let call = call.json(&self.changes[change]);
        let call = tag
            .into_iter()
            .fold(call, |call, tag| call.header("if-match", tag));
        call.send().await
    }

    /// Read, changed by its tag, not changed again by the same one; and of many who have seen the same
    /// state and change it at once, one does.
    async fn check(&self, app: &TestApp) {
        let path = &self.path;
        let tag = self.read(app).await;
        let changed = done(self.change(app, 0, Some(&tag)).await);
        let next = changed.header("etag").to_owned();
        assert_ne!(next, tag, "{path}");
        let late = self.change(app, 1, Some(&tag)).await;
        late.problem(412, "precondition_failed");
        assert_eq!(
            self.read(app).await,
            next,
            "{path}: of what a change answers"
        );
        done(self.change(app, 1, Some("*")).await);
        // Whoever sets no condition has not asked.
        done(self.change(app, 0, None).await);
        let seen = self.read(app).await;
        let at_once = (0..AT_ONCE).map(|_| self.change(app, 1, Some(&seen)));
        let answers = join_all(at_once).await;
        let (made, refused): (Vec<_>, Vec<_>) =
            answers.iter().partition(|answer| answer.status < 300);
        assert_eq!(made.len(), 1, "{path}: {answers:?}");
        for answer in refused {
            answer.problem(412, "precondition_failed");
        }
        assert_eq!(self.read(app).await, made[0].header("etag"), "{path}");
    }
}

fn done(answer: Answer) -> Answer {
    let status = answer.status;
    answer.expect(if status == 204 { 204 } else { 200 })
}

/// The path of something below a project.
fn below(project: &Project<'_>, path: &str) -> String {
    format!("/v1/projects/{}{path}", project.name)
}

/// What a creation there has made, by its id.
async fn made(app: &TestApp, path: &str, body: Value) -> String {
    let made = app.control(Method::POST, path).json(&body).send().await;
    let made = made.expect(201).json();
    format!("{path}/{}", made["id"].as_str().unwrap())
}

#[tokio::test]
async fn what_somebody_else_has_changed_meanwhile_is_not_written_over() {
    let app = TestApp::shared().await;
    let project = app.project().await;
    let (patch, put) = (|| Method::PATCH, || Method::PUT);
    project.schema(&own_rows("notes")).await;
    let policy =
        json!({ "name": "all", "table": "notes", "commands": ["select"], "using": "true" });
    let policy = made(&app, &below(&project, "/policies"), policy).await;
    let using = ["title = 'a'", "title = 'b'"].map(|using| json!({ "using": using }));
    Thing::new(patch(), &policy, using).check(&app).await;

    let endpoint = json!({ "target_url": "https://example.com/hooks", "event_types": ["a.b"] });
    let endpoint = made(&app, &below(&project, "/webhooks/endpoints"), endpoint).await;
    let said = ["one", "two"].map(|said| json!({ "description": said }));
    Thing::new(patch(), &endpoint, said).check(&app).await;

    let claims = ["team", "tier"].map(|name| json!({ name: { "required": false } }));
    let at = below(&project, "/claims");
    Thing::new(put(), &at, claims).check(&app).await;

    let environments = ["staging", "prod"].map(|one| json!({ "environment": one }));
    let at = below(&project, "");
    Thing::new(patch(), &at, environments).check(&app).await;

    let secrets = ["a", "b"].map(|one| json!({ "secret": one.repeat(32) }));
    let at = below(&project, "/jwt-secret");
    Thing::new(put(), &at, secrets).check(&app).await;

    let open = [true, false].map(|enabled| json!({ "enabled": enabled }));
    let at = below(&project, "/sign-up");
    Thing::new(put(), &at, open).check(&app).await;
}

#[tokio::test]
async fn a_table_is_changed_as_it_was_seen_or_not_at_all() {
    let app = TestApp::shared().await;
    let project = app.project().await;
    project.schema(&own_rows("notes")).await;
    let table = below(&project, "/tables/notes");
    let switched = || [true, false].map(|enabled| json!({ "enabled": enabled }));
    for part in ["/native-mirror", "/policy-readable"] {
        let at = format!("{table}{part}");
        let thing = Thing::new(Method::PUT, &at, switched()).read_at(&table);
        thing.check(&app).await;
    }
    let at = below(&project, "/native-mirror");
    let mirror = Thing::new(Method::PUT, &at, switched());
    mirror.check(&app).await;

    let nullable = [true, false].map(|nullable| json!({ "nullable": nullable }));
    let at = format!("{table}/columns/title");
    let column = Thing::new(Method::PATCH, &at, nullable).read_at(&table);
    column.check(&app).await;
    // A change of another column is a change of the table.
    let seen = column.read(&app).await;
    let other = json!({ "name": "done", "type": "boolean", "nullable": true });
    let added = project.control(Method::POST, "/tables/notes/columns");
    added.json(&other).send().await.expect(201);
    let late = column.change(&app, 0, Some(&seen)).await;
    late.problem(412, "precondition_failed");
}

#[tokio::test]
async fn a_function_is_switched_and_deployed_as_it_was_seen_or_not_at_all() {
    let app = TestApp::shared().await;
    let project = app.project().await;
    let path = below(&project, "/functions/hello");
    let deploy = async |name: &str, tag: &str| {
        let call = project.upload("hello", guest(name));
        call.header("if-match", tag).send().await
    };
    // Of what is not there, nobody has seen a state.
    for tag in ["\"0123456789abcdef01234567\"", "*"] {
        let early = deploy("hello", tag).await;
        early.problem(412, "precondition_failed");
    }
    project.deploy("hello").await;
    let switches = [false, true].map(|enabled| json!({ "enabled": enabled }));
    let switch = Thing::new(Method::PATCH, &path, switches);
    switch.check(&app).await;
    let seen = switch.read(&app).await;
    deploy("hello-02", &seen).await.expect(201);
    deploy("hello", &seen)
        .await
        .problem(412, "precondition_failed");
    let late = switch.change(&app, 0, Some(&seen)).await;
    late.problem(412, "precondition_failed");
    assert_eq!(project.get("/functions/hello").await["version"], 2);

    let task = json!({ "function": "hello", "name": "rare", "cron": "0 3 1 1 *" });
    let task = made(&app, &below(&project, "/schedules"), task).await;
    let times = [4, 5].map(|hour| json!({ "cron": format!("0 {hour} 1 1 *") }));
    Thing::new(Method::PATCH, &task, times).check(&app).await;
}

#[tokio::test]
async fn a_secret_and_a_sender_are_changed_as_they_were_seen_or_not_at_all() {
    let app = TestApp::shared().await;
    let project = app.project().await;
    let secret = below(&project, "/secrets/KEY");
    let values = ["one", "two"].map(|value| json!({ "value": value }));
    let secret = Thing::new(Method::PUT, &secret, values);
    let template = below(&project, "/email/templates/hello");
    let words = ["one", "two"].map(|text| json!({ "subject": "Hello", "text": text }));
    let template = Thing::new(Method::PUT, &template, words);
    for thing in [secret, template] {
        for tag in ["\"0123456789abcdef01234567\"", "*"] {
            let early = thing.change(&app, 0, Some(tag)).await;
            early.problem(412, "precondition_failed");
        }
        done(thing.change(&app, 1, None).await);
        thing.check(&app).await;
    }

    let sender = json!({ "address": "shop@example.com" });
    let sender = made(&app, &below(&project, "/email/senders"), sender).await;
    let paths = ["a", "b"].map(|name| json!({ "address": format!("{name}@example.com") }));
    let at = format!("{sender}/return-path");
    let thing = Thing::new(Method::PUT, &at, paths).read_at(&sender);
    thing.check(&app).await;
    let keys =
        ["k1", "k2"].map(|selector| json!({ "selector": selector, "algorithm": "ed25519-sha256" }));
    let at = format!("{sender}/dkim");
    let thing = Thing::new(Method::PUT, &at, keys).read_at(&sender);
    thing.check(&app).await;
}

#[tokio::test]
async fn people_and_their_roles_are_changed_as_they_were_seen_or_not_at_all() {
    let app = TestApp::shared().await;
    let project = app.project().await;
    let name = &project.name;
    let person = json!({ "email": format!("{name}@example.org") });
    let user = made(&app, "/v1/users", person).await;
    let emails = ["a", "b"].map(|one| json!({ "email": format!("{name}-{one}@example.org") }));
    Thing::new(Method::PATCH, &user, emails).check(&app).await;

    let role = format!("/v1/roles/{name}-support");
    let new = json!({ "name": format!("{name}-support"), "permissions": ["log:read"] });
    let made_role = app.control(Method::POST, "/v1/roles").json(&new);
    made_role.send().await.expect(201);
    let permitted = ["audit:read", "node:read"].map(|one| json!({ "permissions": [one] }));
    Thing::new(Method::PATCH, &role, permitted)
        .check(&app)
        .await;

    let id = user.rsplit('/').next().unwrap();
    let member = below(&project, &format!("/members/{id}"));
    let roles = ["viewer", "developer"].map(|role| json!({ "role": role }));
    let member = Thing::new(Method::PUT, &member, roles);
    let early = member.change(&app, 0, Some("*")).await;
    early.problem(412, "precondition_failed");
    done(member.change(&app, 1, None).await);
    member.check(&app).await;
}

#[tokio::test]
async fn a_file_is_written_over_and_deleted_as_it_was_seen_or_not_at_all() {
    let app = TestApp::shared().await;
    let project = app.project().await;
    let call = |method: Method, tag: &str| {
        let call = project.control(method, "/files/notes/a.txt");
        call.header("if-match", tag).body("hello")
    };
    let early = call(Method::PUT, "*").send().await;
    early.problem(412, "precondition_failed");
    let written = project.control(Method::PUT, "/files/notes/a.txt");
    let written = written.body("hello").send().await.expect(200);
    let tag = written.header("etag").to_owned();
    let read = project.control(Method::GET, "/files/notes/a.txt");
    assert_eq!(read.send().await.expect(200).header("etag"), tag);
    let next = call(Method::PUT, &tag).send().await.expect(200);
    let next = next.header("etag").to_owned();
    for method in [Method::PUT, Method::DELETE] {
        let late = call(method, &tag).send().await;
        late.problem(412, "precondition_failed");
    }
    call(Method::DELETE, &next).send().await.expect(204);
}
