//! `koyalite policies test`: expectations as data, held against the policies that are in force.
//!
//! A file names callers and says, case by case, what each may do to which row. The server weighs
//! every case by the rules that requests are weighed by; no row is stored or read for it.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;

use anyhow::{Context as _, anyhow};
use clap::Args;
use http::Method;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::args::ControlArgs;
use super::error::CliError;
use super::output::{Format, typed};
use super::policies_explain::Weighed;

#[derive(Debug, Args)]
pub(super) struct TestArgs {
    /// The expectations: TOML, or JSON of the same shape
    file: PathBuf,
    #[command(flatten)]
    server: ControlArgs,
}

/// The file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Expectations {
    /// Callers by the name that cases use; `anonymous` is known without being written.
    #[serde(default)]
    identities: BTreeMap<String, Value>,
    /// What must be so.
    expect: Vec<Expectation>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Expectation {
    name: Option<String>,
    #[serde(rename = "as")]
    caller: String,
    command: String,
    table: String,
    row: Option<Map<String, Value>>,
    set: Option<Map<String, Value>>,
    columns: Option<Vec<String>>,
    /// `allowed` or `denied`.
    result: Expected,
    /// The code that a denial must have.
    code: Option<String>,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
enum Expected {
    Allowed,
    Denied,
}

/// How one case came out.
#[derive(Serialize)]
struct Outcome {
    name: String,
    passed: bool,
    expected: Expected,
    verdict: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<String>,
}

/// What the server makes of all cases.
#[derive(Deserialize)]
struct Tested {
    results: Vec<Weighed>,
    coverage: Vec<Test>,
}

/// One test of one policy's condition, and how the cases saw it.
#[derive(Serialize, Deserialize)]
struct Test {
    name: String,
    table: String,
    clause: String,
    text: String,
    seen_true: bool,
    seen_false: bool,
    reads_elsewhere: bool,
}

impl TestArgs {
    pub(super) async fn run(self) -> Result<(), CliError> {
        let file = read(&self.file).map_err(CliError::Usage)?;
        let mut cases = Vec::new();
        for (index, expectation) in file.expect.iter().enumerate() {
            let case = expectation.case(&file.identities);
            cases.push(case.map_err(|error| {
                let place = format!("expect[{index}] of {}", self.file.display());
                CliError::Usage(error.context(place))
            })?);
        }
        let path = self.server.path(["policies", "test"]);
        let client = self.server.client()?;
        let answer = client
            .send(Method::POST, &path, &json!({ "cases": cases }))
            .await?;
        let Tested { results, coverage } = typed(answer)?;
        let outcomes: Vec<Outcome> = file
            .expect
            .iter()
            .zip(results)
            .map(|(expectation, weighed)| expectation.outcome(weighed))
            .collect();
        let failed = outcomes.iter().any(|outcome| !outcome.passed);
        let output = self.server.output();
        match output.format() {
            Format::Json => {
                let report = json!({ "cases": outcomes, "coverage": coverage });
                output.line(&format!("{report:#}"))?;
            }
            Format::Human => output.line(&render(&outcomes, &coverage))?,
        }
        match failed {
            true => Err(CliError::Shown),
            false => Ok(()),
        }
    }
}

fn read(path: &std::path::Path) -> anyhow::Result<Expectations> {
    let shown = path.display();
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {shown}"))?;
    // Nothing that is TOML begins with a brace, and every JSON object does.
    let read = match text.trim_start().starts_with('{') {
        true => serde_json::from_str(&text).map_err(anyhow::Error::new),
        false => toml::from_str::<toml::Value>(&text)
            .map_err(anyhow::Error::new)
            .and_then(|file| Ok(serde_json::from_value(plain(file))?)),
    };
    read.with_context(|| format!("{shown} is not a file of expectations"))
}

/// TOML as JSON; a bare moment or date is the text that JSON has for it.
fn plain(value: toml::Value) -> Value {
    match value {
        toml::Value::String(text) => Value::String(text),
        toml::Value::Integer(number) => number.into(),
        toml::Value::Float(number) => number.into(),
        toml::Value::Boolean(answer) => Value::Bool(answer),
        toml::Value::Datetime(moment) => Value::String(moment.to_string()),
        toml::Value::Array(items) => items.into_iter().map(plain).collect(),
        toml::Value::Table(fields) => {
            let fields = fields.into_iter().map(|(name, value)| (name, plain(value)));
            Value::Object(fields.collect())
        }
    }
}

/// The callers that a file of expectations names.
pub(super) fn identities(path: &std::path::Path) -> anyhow::Result<Vec<Value>> {
    Ok(read(path)?.identities.into_values().collect())
}

impl Expectation {
    /// The case as the server takes it.
    fn case(&self, identities: &BTreeMap<String, Value>) -> anyhow::Result<Value> {
        let anonymous = json!("anonymous");
        let identity = match (identities.get(&self.caller), self.caller.as_str()) {
            (Some(identity), _) => identity,
            (None, "anonymous") => &anonymous,
            (None, unknown) => {
                return Err(anyhow!("there is no `{unknown}` among the identities"));
            }
        };
        let mut case =
            json!({ "identity": identity, "command": self.command, "table": self.table });
        if let Some(fields) = case.as_object_mut() {
            let row = self.row.clone().map(Value::Object);
            let set = self.set.clone().map(Value::Object);
            let columns = self.columns.clone().map(Value::from);
            for (name, value) in [("row", row), ("set", set), ("columns", columns)] {
                fields.extend(value.map(|value| (name.to_owned(), value)));
            }
        }
        Ok(case)
    }

    fn outcome(&self, weighed: Weighed) -> Outcome {
        let word = match self.result {
            Expected::Allowed => "allowed",
            Expected::Denied => "denied",
        };
        let code = weighed.reason.map(|reason| reason.code);
        let as_coded = self.code.is_none() || self.code == code;
        let name = self
            .name
            .clone()
            .unwrap_or_else(|| format!("{} {} {}", self.caller, self.command, self.table));
        Outcome {
            name,
            passed: weighed.verdict == word && as_coded,
            expected: self.result,
            verdict: weighed.verdict,
            code,
        }
    }
}

fn render(outcomes: &[Outcome], coverage: &[Test]) -> String {
    let mut text = String::new();
    for outcome in outcomes {
        let mark = if outcome.passed { "ok  " } else { "FAIL" };
        let _ = write!(text, "{mark} {}", outcome.name);
        if !outcome.passed {
            let code = outcome.code.as_deref().map(|code| format!(" [{code}]"));
            let _ = write!(text, ": {}{}", outcome.verdict, code.unwrap_or_default());
        }
        text.push('\n');
    }
    let failed = outcomes.iter().filter(|outcome| !outcome.passed).count();
    let _ = write!(text, "\n{} cases, {failed} failed", outcomes.len());
    let both = coverage
        .iter()
        .filter(|test| test.seen_true && test.seen_false);
    let _ = write!(
        text,
        "\n{} of {} tests in policies were seen both true and false",
        both.count(),
        coverage.len()
    );
    for test in coverage {
        let Test {
            name,
            table,
            clause,
            text: condition,
            ..
        } = test;
        let seen = match (test.seen_true, test.seen_false) {
            (true, true) => continue,
            _ if test.reads_elsewhere => "reads rows that no case holds",
            (true, false) => "never false",
            (false, true) => "never true",
            (false, false) => "never asked",
        };
        let _ = write!(text, "\n  {table}: {name}, {clause}: {condition}: {seen}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = r#"
        [identities.alice]
        user = { sub = "a", claims = { team = "red" } }

        [[expect]]
        as = "alice"
        command = "select"
        table = "notes"
        row = { owner_id = "a", at = 2026-01-01T00:00:00Z }
        result = "allowed"

        [[expect]]
        name = "nobody reads"
        as = "anonymous"
        command = "select"
        table = "notes"
        result = "denied"
        code = "denied_by_claims"
    "#;

    #[test]
    fn a_file_says_the_same_in_toml_and_json() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        std::fs::write(&path, FILE).unwrap();
        let file = read(&path).unwrap();
        let case = file.expect[0].case(&file.identities).unwrap();
        assert_eq!(case["identity"]["user"]["claims"]["team"], "red");
        assert_eq!(
            case["row"],
            json!({ "owner_id": "a", "at": "2026-01-01T00:00:00Z" })
        );
        let nobody = file.expect[1].case(&file.identities).unwrap();
        assert_eq!(nobody["identity"], "anonymous");
        let same = r#"{"expect": [{"as": "bob", "command": "select", "table": "t",
                       "result": "denied"}]}"#;
        std::fs::write(&path, same).unwrap();
        let file = read(&path).unwrap();
        assert!(
            file.expect[0].case(&file.identities).is_err(),
            "who is bob?"
        );
        std::fs::write(&path, FILE.replace("result", "reslut")).unwrap();
        assert!(read(&path).is_err());
    }

    #[test]
    fn a_denial_for_another_reason_fails_and_a_test_seen_one_way_only_is_named() {
        let file: Expectations = toml::from_str(FILE).unwrap();
        let weighed = |verdict: &str, code: Option<&str>| {
            let reason = code.map(|code| json!({ "code": code, "message": "" }));
            serde_json::from_value(json!({ "verdict": verdict, "reason": reason })).unwrap()
        };
        let allowed = file.expect[0].outcome(weighed("allowed", None));
        let denied = file.expect[1].outcome(weighed("denied", Some("no_policy")));
        assert_eq!(
            (allowed.passed, denied.passed),
            (true, false),
            "another code"
        );
        let test = |text: &str, seen_true, seen_false| Test {
            name: "own".to_owned(),
            table: "notes".to_owned(),
            clause: "using".to_owned(),
            text: text.to_owned(),
            seen_true,
            seen_false,
            reads_elsewhere: false,
        };
        let report = render(
            &[allowed, denied],
            &[test("a = 1", true, true), test("b = 2", true, false)],
        );
        assert!(
            report.contains("FAIL nobody reads: denied [no_policy]"),
            "{report}"
        );
        assert!(report.contains("2 cases, 1 failed"), "{report}");
        assert!(report.contains("1 of 2 tests"), "{report}");
        assert!(
            report.ends_with("notes: own, using: b = 2: never false"),
            "{report}"
        );
    }
}
