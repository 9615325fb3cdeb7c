//! Objects in a bucket: components and files are where every node finds them, and what nobody has any longer
//! goes from there. All other stories about files are told over a bucket too, by `cargo xtask test`.

use std::time::Duration;

use http::Method;
use koyalite_runtime::store::Objects;
use object_store::ObjectStoreExt as _;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use super::files::{file, own_files, put};
use crate::support::{ALICE, Bucket, FileServer, Launch, Project, TestApp, eventually, send};

const PATIENCE: Duration = Duration::from_secs(60);

/// More than a part of an upload.
const BYTES: usize = 12 << 20;

async fn in_a_bucket() -> Option<(TestApp, Bucket)> {
    let bucket = Bucket::new().await?;
    let launch = bucket.keeps(Launch::serve().await);
    Some((TestApp::launch(launch).await, bucket))
}

#[tokio::test]
async fn two_nodes_share_postgres_and_a_bucket_and_nothing_else() {
    let Some((one, bucket)) = in_a_bucket().await else {
        return;
    };
    let project = own_files(&one).await;
    let (name, alice) = (project.name.clone(), project.token(ALICE).await);
    let version = project.deploy("behaviours").await;
    let content = vec![7; BYTES];
    put(&project, &alice, "film", &content).await.expect(201);
    assert!(!one.launch.data().join("objects").exists());

    let two = TestApp::launch(one.launch.elsewhere()).await;
    let there = two.existing(&name);
    there.fetch("/behaviours/echo").await.of_function(200);
    let get = |part: &str| {
        let call = file(&there, Method::GET, "film").bearer(&alice);
        call.header("range", part)
    };
    let whole = file(&there, Method::GET, "film").bearer(&alice);
    assert!(whole.send().await.expect(200).body == content);
    let part = get(&format!("bytes={}-", BYTES - 3)).send().await;
    assert_eq!(part.expect(206).body, &content[..3]);
    put(&there, &alice, "film", b"short").await.expect(200);
    let again = file(&project, Method::GET, "film").bearer(&alice);
    assert_eq!(again.send().await.expect(200).text(), "short");

    let component = bucket.keys("components").await;
    let sha256 = version["sha256"].as_str().unwrap();
    assert_eq!(component, [format!("components/{sha256}.wasm")]);
    changed_bytes_are_not_run(&one, &bucket, (&name, &component[0])).await;
}

/// Whoever can write to the bucket cannot have a node run something else.
async fn changed_bytes_are_not_run(one: &TestApp, bucket: &Bucket, (name, key): (&str, &str)) {
    let Objects { store, .. } = bucket.objects();
    let path = object_store::path::Path::from(key);
    store.put(&path, "(component)".into()).await.unwrap();
    let three = TestApp::launch(one.launch.elsewhere()).await;
    let project = three.existing(name);
    let refused = project.fetch("/behaviours/echo").await;
    refused.problem(500, "internal");
    assert!(three.process.log().contains("holds other bytes"));
    // Who has compiled it before goes on.
    let project = one.existing(name);
    project.fetch("/behaviours/echo").await.of_function(200);
}

#[tokio::test]
async fn a_node_opens_its_bucket_by_the_key_that_its_platform_hands_out() {
    let Some(bucket) = Bucket::new().await else {
        return;
    };
    let platform = FileServer::start().await;
    let roles = "/latest/meta-data/iam/security-credentials/";
    platform.put("/task", Bucket::handed_out().into());
    platform.put("/latest/api/token", "a token".into());
    platform.put(roles, "node".into());
    platform.put(&format!("{roles}node"), Bucket::handed_out().into());
    let launch = bucket.keeps_plainly(Launch::serve().await);
    let token = launch.folder().join("token");
    std::fs::write(&token, "of the container").unwrap();
    let machine = launch.set("AWS_METADATA_ENDPOINT", &platform.url(""));
    let one = TestApp::launch(machine).await;
    let project = own_files(&one).await;
    let alice = project.token(ALICE).await;
    put(&project, &alice, "film", &vec![7; BYTES])
        .await
        .expect(201);

    let container = one.launch.elsewhere().unset("AWS_METADATA_ENDPOINT");
    let container = container
        .set("AWS_CONTAINER_CREDENTIALS_FULL_URI", &platform.url("/task"))
        .set(
            "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
            &token.display().to_string(),
        );
    let two = TestApp::launch(container).await;
    let there = two.existing(&project.name);
    let film = file(&there, Method::GET, "film").bearer(&alice);
    assert_eq!(film.send().await.expect(200).body.len(), BYTES);
}

#[tokio::test]
async fn a_node_with_another_store_does_not_start_and_says_why() {
    let Some((one, _bucket)) = in_a_bucket().await else {
        return;
    };
    let other = Bucket::new().await.unwrap();
    let folder = one.launch.elsewhere();
    let folder = [
        "KOYALITE_STORE",
        "KOYALITE_STORE_ENDPOINT",
        "KOYALITE_STORE_CA",
    ]
    .into_iter()
    .fold(folder, |launch, name| launch.unset(name));
    for launch in [folder, other.keeps(one.launch.elsewhere())] {
        let process = launch.spawn();
        let code = process.wait(PATIENCE).await;
        let said = process.log();
        assert_ne!(code, 0, "{said}");
        assert!(
            said.contains("is not the object store of this database's other nodes"),
            "{said}"
        );
        assert!(!launch.data().join("ready.json").exists());
    }
}

#[tokio::test]
async fn a_second_node_with_a_folder_of_its_own_does_not_start_and_says_why() {
    let one = TestApp::launch(Launch::serve().await).await;
    let elsewhere = one.launch.elsewhere();
    let process = elsewhere.spawn();
    assert_ne!(process.wait(PATIENCE).await, 0);
    let said = process.log();
    assert!(said.contains("a folder is for one node"), "{said}");
}

/// Sends so much of a longer file, and no more.
async fn begin(app: &TestApp, project: &Project<'_>, token: &str) -> TcpStream {
    let mut stream = TcpStream::connect(app.functions_authority()).await.unwrap();
    let head = format!(
        "PUT /files/{}/long HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\n\
         content-length: {}\r\n\r\n",
        project.name,
        3 * BYTES
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(&vec![b'x'; BYTES]).await.unwrap();
    stream
}

async fn until_swept(app: &TestApp, bucket: &Bucket, left: usize) {
    let client = app.launch.database().connect().await;
    let due = "UPDATE koyalite.file_contents SET sweep_after = now() - interval '1 second'
               WHERE sweep_after IS NOT NULL";
    client.execute(due, &[]).await.unwrap();
    // A project that goes is swept up after at once, and with it whatever is due.
    let gone = app.project().await;
    let path = format!("?confirm={}", gone.name);
    let delete = gone.control(Method::DELETE, &path);
    delete.send().await.expect(204);
    eventually("nothing else is left", PATIENCE, async || {
        let objects = bucket.keys("files").await.len();
        (bucket.uploads().await.is_empty() && objects == left).then_some(())
    })
    .await;
}

#[tokio::test]
async fn what_a_killed_node_has_left_of_an_upload_goes_from_the_bucket() {
    let Some((app, bucket)) = in_a_bucket().await else {
        return;
    };
    let project = own_files(&app).await;
    let (name, alice) = (project.name.clone(), project.token(ALICE).await);
    put(&project, &alice, "long", b"before").await.expect(201);
    put(&project, &alice, "gone", &vec![1; BYTES])
        .await
        .expect(201);
    let delete = file(&project, Method::DELETE, "gone").bearer(&alice);
    delete.send().await.expect(204);
    assert_eq!(
        bucket.keys("files").await.len(),
        2,
        "somebody may be reading it"
    );

    let _sending = begin(&app, &project, &alice).await;
    eventually("two parts are in the bucket", PATIENCE, async || {
        // The first says that the upload's name is written down.
        (bucket.uploads().await == [2]).then_some(())
    })
    .await;
    send(app.process.id(), libc::SIGKILL);
    let app = app.crash().await;
    assert_eq!(bucket.uploads().await, [2], "nobody has ended it");
    let project = app.existing(&name);
    until_swept(&app, &bucket, 1).await;
    let found = file(&project, Method::GET, "long").bearer(&alice);
    assert_eq!(found.send().await.expect(200).text(), "before");
}

#[tokio::test]
async fn an_upload_that_breaks_off_is_ended_in_the_bucket() {
    let Some((app, bucket)) = in_a_bucket().await else {
        return;
    };
    let project = own_files(&app).await;
    let alice = project.token(ALICE).await;
    let sending = begin(&app, &project, &alice).await;
    eventually("two parts are in the bucket", PATIENCE, async || {
        // The first says that the upload's name is written down.
        (bucket.uploads().await == [2]).then_some(())
    })
    .await;
    drop(sending);
    eventually("it is ended", PATIENCE, async || {
        bucket.uploads().await.is_empty().then_some(())
    })
    .await;
    until_swept(&app, &bucket, 0).await;
}
