use std::time::Duration;

use futures::StreamExt;

use super::*;

fn of(function: &str) -> InvocationRef {
    let function = function.parse().unwrap();
    InvocationRef {
        project: Uuid::from_u128(1),
        function,
        version: 1,
        invocation: Uuid::now_v7(),
    }
}

fn open(dir: &Path) -> Records {
    Records::open(dir, RecordLimits::default()).unwrap()
}

async fn messages(records: &Records, function: &str, limit: usize) -> Vec<String> {
    let lines = records
        .read(Uuid::from_u128(1), &function.parse().unwrap(), limit)
        .await;
    lines.into_iter().map(|line| line.message).collect()
}

#[tokio::test]
async fn the_last_lines_of_one_function_are_read_in_order() {
    let dir = tempfile::tempdir().unwrap();
    let records = open(dir.path());
    for n in 0..5 {
        records.guest_line(of("a"), Level::Info, format!("a{n}"));
        records.guest_line(of("b"), Level::Info, format!("b{n}"));
    }
    let outcome = Outcome::Answered(200);
    records.invocation(InvocationRecord {
        of: of("a"),
        trigger: Trigger::Http,
        duration: Duration::ZERO,
        outcome,
        used: koyalite_host_api::Used::default(),
    });
    assert_eq!(
        messages(&records, "a", 3).await,
        ["a3", "a4", "answered 200"]
    );
    assert_eq!(
        messages(&records, "b", 100).await,
        ["b0", "b1", "b2", "b3", "b4"]
    );
    assert!(messages(&records, "c", 100).await.is_empty());
    assert!(messages(&records, "a", 0).await.is_empty());
}

#[tokio::test]
async fn records_survive_a_restart_and_a_torn_line_is_skipped() {
    let dir = tempfile::tempdir().unwrap();
    let before = open(dir.path());
    before.guest_line(of("a"), Level::Info, "one".to_owned());
    before.flush().await;
    let segment = std::fs::read_dir(dir.path())
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .path();
    let mut bytes = std::fs::read(&segment).unwrap();
    let half = bytes.len() / 2;
    bytes.extend_from_within(..half);
    std::fs::write(&segment, bytes).unwrap();
    let after = open(dir.path());
    after.guest_line(of("a"), Level::Info, "two".to_owned());
    assert_eq!(messages(&after, "a", 10).await, ["one", "two"]);
}

#[tokio::test]
async fn segments_are_bounded_in_size_and_number() {
    let dir = tempfile::tempdir().unwrap();
    let limits = RecordLimits {
        segment_bytes_max: 1,
        segments_max: 3,
        ..Default::default()
    };
    let records = Records::open(dir.path(), limits).unwrap();
    for n in 0..6 {
        records.guest_line(of("a"), Level::Info, format!("a{n}"));
        records.flush().await;
    }
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 3);
    assert_eq!(messages(&records, "a", 10).await, ["a3", "a4", "a5"]);
}

#[tokio::test]
async fn followers_hear_their_function_from_now_on() {
    let dir = tempfile::tempdir().unwrap();
    let records = open(dir.path());
    records.guest_line(of("a"), Level::Info, "before".to_owned());
    let follower = records.follow(Uuid::from_u128(1), &"a".parse().unwrap());
    records.guest_line(of("b"), Level::Info, "other".to_owned());
    records.guest_line(of("a"), Level::Info, "after".to_owned());
    let heard: Vec<_> = follower.take(1).map(|line| line.message).collect().await;
    assert_eq!(heard, ["after"]);
}

#[tokio::test]
async fn a_follower_that_lags_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let records = open(dir.path());
    let follower = records.follow(Uuid::from_u128(1), &"a".parse().unwrap());
    for n in 0..limits::FOLLOWER_LINES_MAX + 5 {
        records.guest_line(of("a"), Level::Info, n.to_string());
    }
    let heard: Vec<_> = follower.take(2).map(|line| line.message).collect().await;
    assert_eq!(
        heard,
        ["up to 5 lines were skipped: this reader is too slow", "5"]
    );
}

#[tokio::test]
async fn a_folder_that_takes_nothing_costs_lines_and_is_counted() {
    let dir = tempfile::tempdir().unwrap();
    let records = open(dir.path());
    std::fs::remove_dir(dir.path()).unwrap();
    records.guest_line(of("a"), Level::Info, "lost".to_owned());
    records.flush().await;
    assert_eq!(
        records.dropped(),
        Dropped {
            logs: 1,
            ..Dropped::default()
        }
    );
    std::fs::create_dir(dir.path()).unwrap();
    records.guest_line(of("a"), Level::Info, "kept".to_owned());
    assert_eq!(messages(&records, "a", 10).await, ["kept"]);
}

#[tokio::test]
async fn what_is_forgotten_is_in_no_file_and_the_rest_stays() {
    let dir = tempfile::tempdir().unwrap();
    let records = open(dir.path());
    let elsewhere = InvocationRef {
        project: Uuid::from_u128(2),
        ..of("a")
    };
    for of in [of("a"), of("b"), elsewhere.clone()] {
        records.guest_line(of, Level::Info, "before".to_owned());
    }
    let (first, second) = (Uuid::from_u128(1), Uuid::from_u128(2));
    let function = "a".parse().unwrap();
    records.forget(first, Some(function)).await.unwrap();
    assert!(messages(&records, "a", 9).await.is_empty());
    assert_eq!(messages(&records, "b", 9).await, ["before"]);
    records.guest_line(of("a"), Level::Info, "again".to_owned());
    assert_eq!(messages(&records, "a", 9).await, ["again"]);

    records.forget(second, None).await.unwrap();
    records.guest_line(elsewhere, Level::Info, "too late".to_owned());
    records.flush().await;
    for file in std::fs::read_dir(dir.path()).unwrap() {
        let text = std::fs::read_to_string(file.unwrap().path()).unwrap();
        assert!(!text.contains(&second.to_string()), "{text}");
    }
    assert_eq!(messages(&records, "b", 9).await, ["before"]);
}

#[tokio::test]
async fn what_is_older_than_its_project_keeps_goes_and_the_rest_stays() {
    let dir = tempfile::tempdir().unwrap();
    let records = open(dir.path());
    let elsewhere = InvocationRef {
        project: Uuid::from_u128(2),
        ..of("a")
    };
    records.guest_line(of("a"), Level::Info, "old".to_owned());
    records.guest_line(elsewhere, Level::Info, "of another project".to_owned());
    records.flush().await;
    let until = Utc::now();
    records.guest_line(of("a"), Level::Info, "new".to_owned());
    records.flush().await;
    let ages = HashMap::from([(Uuid::from_u128(1), until)]);
    records.purge(ages).await.unwrap();
    assert_eq!(messages(&records, "a", 9).await, ["new"]);
    let others = records
        .read(Uuid::from_u128(2), &"a".parse().unwrap(), 9)
        .await;
    assert_eq!(others.len(), 1);
}
