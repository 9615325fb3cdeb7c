//! What a person owns: listed for each kind, handed to an heir, or gone with them.

use http::Method;
use serde_json::{Value, json};

use super::files::{own_files, put};
use crate::support::{Launch, Project, TestApp, guest};

const PASSWORD: &str = "correct horse battery";

/// Kinds of what a user owns, as paths say them.
const KINDS: [&str; 4] = ["functions", "files", "vector-indexes", "email-logs"];

/// A developer with an account; their id.
async fn developer(app: &TestApp, email: &str) -> String {
    let wanted = json!({ "email": email, "password": PASSWORD, "role": "developer" });
    let made = app.control(Method::POST, "/v1/users").json(&wanted);
    let made = made.send().await.expect(201).json();
    made["id"].as_str().unwrap().to_owned()
}

async fn signed_in(app: &TestApp, email: &str, path: &str) -> String {
    let claimed = json!({ "email": email, "password": PASSWORD });
    let call = match path.starts_with("/v1/") {
        true => app.control(Method::POST, path).anonymous(),
        false => app.call(Method::POST, path),
    };
    let session = call.json(&claimed).send().await.expect(200).json();
    session["access_token"].as_str().unwrap().to_owned()
}

/// What a user has, by kind: the names, or for mail the recipients.
async fn belongings(app: &TestApp, user: &str) -> Vec<String> {
    let mut all = Vec::new();
    for kind in KINDS {
        let path = format!("/v1/users/{user}/{kind}");
        let list = app.control(Method::GET, &path).send().await.expect(200);
        let list = list.json();
        let name = |item: &Value| {
            let name = item.get("name").or(item.get("to")).unwrap();
            format!("{kind}: {}", name.as_str().unwrap())
        };
        all.extend(list["items"].as_array().unwrap().iter().map(name));
    }
    all
}

/// A project in which there can be one of each kind.
async fn furnished(app: &TestApp) -> Project<'_> {
    let project = own_files(app).await;
    let schema = json!({ "tables": [{ "name": "texts", "columns": [
        { "name": "id", "type": "uuid", "primary_key": true, "default": "gen_random_uuid()" },
        { "name": "meaning", "type": "vector(3)" },
    ]}]});
    project.schema(&schema).await;
    let send = json!({ "name": "send", "table": "koyalite_email", "commands": ["insert"],
        "check": "true" });
    let policy = project.control(Method::POST, "/policies").json(&send);
    policy.send().await.expect(201);
    let sender = json!({ "address": "shop@shop.example" });
    let sender = project
        .control(Method::POST, "/email/senders")
        .json(&sender);
    sender.send().await.expect(201);
    let on = json!({ "enabled": true });
    let open = project.control(Method::PUT, "/sign-up").json(&on);
    open.send().await.expect(200);
    project
}

async fn everything_of(project: &Project<'_>, email: &str) {
    let app = project.app;
    let token = signed_in(app, email, "/v1/auth/sign-in").await;
    let upload = project.upload("hers", guest("behaviours")).bearer(&token);
    upload.send().await.expect(201);
    let index = json!({ "name": "by_meaning", "table": "texts", "embedding_column": "meaning" });
    let index = project
        .control(Method::POST, "/vector-indexes")
        .json(&index);
    index.bearer(&token).send().await.expect(201);
    let door = format!("/auth/{}/sign-in", project.name);
    let token = signed_in(app, email, &door).await;
    put(project, &token, "hers.txt", b"hers").await.expect(201);
    let mail = json!({ "to": "ann@example.com", "subject": "Hello", "text": "Hello." });
    let mail = project
        .call(Method::POST, "/hers/mail")
        .bearer(&token)
        .json(&mail);
    mail.send().await.of_function(200);
}

#[tokio::test]
async fn what_a_user_owns_is_listed_goes_to_an_heir_or_goes_with_them() {
    let app = TestApp::launch(Launch::serve().await).await;
    let project = furnished(&app).await;
    let (ada, bob) = (
        developer(&app, "ada@example.org").await,
        developer(&app, "bob@example.org").await,
    );
    everything_of(&project, "ada@example.org").await;
    let everything = [
        "functions: hers",
        "files: hers.txt",
        "vector-indexes: by_meaning",
        "email-logs: ann@example.com",
    ];
    assert_eq!(belongings(&app, &ada).await, everything);
    assert!(belongings(&app, &bob).await.is_empty());

    let path = format!("/v1/users/{ada}?transfer_to={bob}");
    let gone = app.control(Method::DELETE, &path).send().await;
    gone.expect(204);
    assert_eq!(belongings(&app, &bob).await, everything);

    let path = format!("/v1/users/{bob}");
    let gone = app.control(Method::DELETE, &path).send().await;
    gone.expect(204);
    assert!(project.list("/functions").await.is_empty());
    assert!(project.list("/files").await.is_empty());
    assert!(project.list("/email/messages").await.is_empty());
    // The tables' owner goes on searching in them.
    let owner = project.get("").await["owner_id"].clone();
    let left = project.list("/vector-indexes").await;
    assert_eq!((left.len(), &left[0]["user_id"]), (1, &owner));
}
