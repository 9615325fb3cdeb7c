//! Policies that make no sense: refused when they are saved, with the place, the reason and what to
//! write instead.

use http::Method;
use serde_json::{Value, json};

use crate::support::{TestApp, own_rows};

#[tokio::test]
async fn a_policy_that_makes_no_sense_is_refused_with_place_reason_and_what_to_write() {
    let app = TestApp::shared().await;
    let project = app.project().await;
    project.schema(&own_rows("notes")).await;
    let mut differences = Vec::new();
    for (using, mentions) in [
        ("owner_id = ", &["using", "\"line\":1", "\"column\":"][..]),
        ("owner_id = auth.uid(", &["using", "\"column\":"]),
        ("colour = 'red'", &["colour", "\"column\":1"]),
        ("title = 7", &["\"column\":"]),
        ("title ~ 'a.*'", &["\"column\":", "hint"]),
        ("owner_id = auth.email()", &["auth.email", "\"column\":"]),
        ("title = $1", &["\"column\":"]),
        ("title", &["condition", "\"column\":1", "hint"]),
        ("true; drop table notes", &["\"column\":"]),
        ("pg_sleep(10) is null", &["pg_sleep"]),
        ("(select count(*) from notes) > 0", &["\"column\":"]),
    ] {
        let policy = json!({ "name": "odd", "table": "notes", "using": using });
        let saved = project
            .control(Method::POST, "/policies")
            .json(&policy)
            .send()
            .await;
        match saved.check_problem(400, "invalid_policy") {
            Ok(problem) => {
                let problem = problem.to_string();
                let missing = mentions
                    .iter()
                    .filter(|mention| !problem.contains(**mention));
                differences.extend(missing.map(|m| format!("{using}: no {m} in {problem}")));
            }
            Err(difference) => differences.push(format!("{using}: {difference}")),
        }
        let asked = project
            .control(Method::POST, "/policies/check")
            .json(&policy)
            .send()
            .await;
        let verdict = asked.expect(200).json();
        assert_eq!(verdict["valid"], false, "{using}: {verdict}");
        assert!(
            verdict["errors"][0]["message"].is_string(),
            "{using}: {verdict}"
        );
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
    let names: Vec<Value> = project.list("/policies").await;
    assert_eq!(names.len(), 1, "only the one of the schema: {names:?}");

    let nowhere = json!({ "name": "odd", "table": "nothing", "using": "true" });
    let saved = project
        .control(Method::POST, "/policies")
        .json(&nowhere)
        .send()
        .await;
    saved.problem(404, "unknown_table");
}
