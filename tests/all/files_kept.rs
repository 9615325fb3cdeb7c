//! What becomes of files when the server is killed, a project or a user goes, and what operators see.

use http::Method;
use serde_json::json;

use super::files::{file, own_files, put};
use crate::support::{ALICE, BOB, CommandLine, Launch, TestApp, send};

/// Enough to hit different moments of a write.
const ROUNDS: usize = 6;

/// More than one piece of everything: of the request, of the store.
const BYTES: usize = 6 << 20;

/// Content that says at each of its bytes which write it is of.
fn content(number: u8) -> Vec<u8> {
    vec![number; BYTES]
}

#[tokio::test]
async fn kill_9_in_the_middle_of_a_write_leaves_the_old_file_or_the_new_one() {
    let mut app = TestApp::launch(Launch::dev()).await;
    let project = own_files(&app).await;
    let (name, alice) = (project.name.clone(), project.token(ALICE).await);
    put(&project, &alice, "f", &content(1)).await.expect(201);
    let mut acknowledged = 1;
    for round in 0..ROUNDS {
        let project = app.existing(&name);
        let server = app.process.id();
        let next = acknowledged + 1;
        let write = file(&project, Method::PUT, "f")
            .bearer(&alice)
            .body(content(next));
        let kill = async {
            // Another moment each round, told by what the write has left so far.
            for _ in 0..round * 4 {
                let stat = file(&project, Method::HEAD, "f").bearer(&alice);
                stat.attempt().await;
            }
            send(server, libc::SIGKILL);
        };
        let (written, ()) = tokio::join!(write.attempt(), kill);
        let was_told = written.is_some_and(|answer| answer.status == 200);
        app = app.crash().await;
        let project = app.existing(&name);
        let found = file(&project, Method::GET, "f")
            .bearer(&alice)
            .send()
            .await
            .expect(200);
        let number = found.body[0];
        assert!(
            found.body == content(number),
            "a mixture, or a part: {}",
            found.body.len()
        );
        let may_be = if was_told {
            next..=next
        } else {
            acknowledged..=next
        };
        assert!(
            may_be.contains(&number),
            "{number} after {acknowledged} was acknowledged"
        );
        acknowledged = number;
    }
    put(&app.existing(&name), &alice, "f", &content(99))
        .await
        .expect(200);
}

#[tokio::test]
async fn a_deleted_project_leaves_no_content() {
    let app = TestApp::launch(Launch::serve().await.in_its_folder()).await;
    let project = own_files(&app).await;
    let alice = project.token(ALICE).await;
    put(&project, &alice, "a", b"one").await.expect(201);
    put(&project, &alice, "b", &content(1)).await.expect(201);
    let id = project.get("").await["id"]
        .as_str()
        .unwrap()
        .replace('-', "");
    let folder = app.launch.data().join("objects/files").join(id);
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 2);
    let path = format!("?confirm={}", project.name);
    project
        .control(Method::DELETE, &path)
        .send()
        .await
        .expect(204);
    assert!(!folder.exists());
}

#[tokio::test]
async fn operators_list_read_write_and_delete_files_and_that_is_recorded() {
    let app = TestApp::shared().await;
    let project = own_files(&app).await;
    let alice = project.token(ALICE).await;
    for path in ["a/1.txt", "a/2.txt", "b.txt"] {
        put(&project, &alice, path, path.as_bytes())
            .await
            .expect(201);
    }
    let listed = project.list("/files?prefix=a/").await;
    assert_eq!(listed.len(), 2);
    assert_eq!(
        (&listed[0]["path"], &listed[0]["user_id"]),
        (&json!("a/1.txt"), &json!(ALICE))
    );
    let first = project.get("/files?limit=1").await;
    let next = format!(
        "/files?limit=2&cursor={}",
        first["next_cursor"].as_str().unwrap()
    );
    assert_eq!(project.list(&next).await.len(), 2);
    let read = project
        .control(Method::GET, "/files/a/1.txt")
        .send()
        .await
        .expect(200);
    assert_eq!(
        (read.text().as_str(), read.header("content-disposition")),
        ("a/1.txt", "attachment")
    );
    let write = project
        .control(Method::PUT, "/files/c%20d.txt")
        .body("written");
    write.send().await.expect(200);
    project
        .control(Method::DELETE, "/files/b.txt")
        .send()
        .await
        .expect(204);
    project
        .control(Method::DELETE, "/files/b.txt")
        .send()
        .await
        .problem(404, "unknown_file");
    let theirs = project
        .control(Method::GET, "/files/a/1.txt")
        .bearer(&alice);
    theirs.send().await.problem(401, "invalid_token");
    let recorded = project.list("/audit?action=file.write").await;
    assert_eq!(recorded[0]["target_id"], "c d.txt", "{recorded:?}");
}

#[tokio::test]
async fn the_command_line_sends_and_fetches_files() {
    let app = TestApp::shared().await;
    let project = own_files(&app).await;
    let line = CommandLine::of(&app, &project.name);
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("here.txt"), "from here").unwrap();
    let run = async |arguments: &[&str]| line.run(dir.path(), arguments).await.expect(0);
    run(&[
        "files",
        "put",
        "here.txt",
        "dir/a b.txt",
        "--type",
        "text/plain",
    ])
    .await;
    let listed = run(&["files", "ls", "dir/"]).await;
    assert!(
        listed.contains("dir/a b.txt") && listed.contains("text/plain"),
        "{listed}"
    );
    run(&["files", "get", "dir/a b.txt", "-o", "there.txt"]).await;
    let there = std::fs::read_to_string(dir.path().join("there.txt")).unwrap();
    assert_eq!(there, "from here");
    assert_eq!(run(&["files", "get", "dir/a b.txt"]).await, "from here");
    run(&["files", "rm", "dir/a b.txt"]).await;
    assert!(run(&["files", "ls"]).await.contains("no files"));
    let bob = project.token(BOB).await;
    let get = file(&project, Method::GET, "dir/a%20b.txt").bearer(&bob);
    get.send().await.problem(404, "unknown_file");
}
