//! What the demo does with each example: deploy it, call it, show the answer, and check that the
//! answer is what the example promises. An example without a story of its own is called once.

use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};

use crate::http::{Answer, Call};
use crate::server::Server;
use crate::step::Step;
use crate::{paths, signals, stopwatch::dim};

/// Two users. The demo needs no user table: whoever holds a token with this subject is this user.
pub(super) const FIRST_USER: &str = "a0a0a0a0-0000-4000-8000-000000000001";
const SECOND_USER: &str = "b0b0b0b0-0000-4000-8000-000000000002";

/// The task in the ticker's manifest: due every five seconds.
const TASK: &str = "ticker.every-five-seconds";
/// Several times the task's period, for machines that are busy.
const FIRING_PATIENCE: Duration = Duration::from_secs(60);

/// How much of an answer is shown.
const SHOWN_LINES: usize = 4;
const SHOWN_COLUMNS: usize = 160;

/// The folders that hold an example, by name.
///
/// # Errors
/// Where the checkout is not whole.
pub(super) fn examples() -> anyhow::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(paths::root().join("examples"))? {
        let entry = entry?;
        if entry.path().join("koyalite.toml").exists() {
            names.push(entry.file_name().to_string_lossy().into_owned());
        }
    }
    names.sort();
    Ok(names)
}

/// Whether its component is there. Only one that needs Node may be missing.
///
/// # Errors
/// Where another one is missing.
pub(super) fn is_built(example: &str) -> anyhow::Result<bool> {
    let there = paths::guests().join(format!("{example}.wasm")).exists();
    let needs_node = paths::root()
        .join("examples")
        .join(example)
        .join("package.json")
        .exists();
    ensure!(there || needs_node, "no target/guests/{example}.wasm");
    Ok(there)
}

/// Deploys one example and tells its story.
///
/// # Errors
/// Where an answer is not as promised.
pub(super) fn tell(server: &mut Server, example: &str) -> anyhow::Result<()> {
    server.check_alive()?;
    let before = match example {
        "ticker" => Some(latest_success(server).unwrap_or_default()),
        _ => None,
    };
    let url = deploy(server, example)?;
    match (example, before) {
        ("hello" | "hello-js", _) => {
            let answer = show("nobody", Call::get(&format!("{url}?name=you")))?;
            expect(&answer, 200, "hello, you")
        }
        ("todo", _) => todo(server, &url),
        ("search", _) => search(server, &url),
        ("uploads", _) => {
            // Who has not signed in has no picture; the story of one who has is in its README.
            let avatar = format!("{url}/avatar");
            expect(&show("nobody", Call::get(&avatar))?, 401, "")
        }
        (_, Some(before)) => ticker(server, &url, &before),
        (_, None) => expect(&show("nobody", Call::get(&url))?, 200, ""),
    }
}

/// As a user does it; answers the function's URL.
fn deploy(server: &Server, example: &str) -> anyhow::Result<String> {
    let folder = format!("examples/{example}");
    println!("  koyalite deploy {folder}");
    let said = server.koyalite_visibly(&["deploy", &folder])?;
    for line in said.lines() {
        println!("    {}", dim(line));
    }
    let url = said.lines().find(|line| line.starts_with("http://"));
    Ok(url.context("`koyalite deploy` named no URL")?.to_owned())
}

/// Two users and nobody call the same function.
fn todo(server: &Server, url: &str) -> anyhow::Result<()> {
    let token = |user| server.koyalite(&["token", "create", "--subject", user]);
    let (first, second) = (token(FIRST_USER)?, token(SECOND_USER)?);
    for (name, token, title) in [
        ("one user", first.trim(), "water the plants"),
        ("another", second.trim(), "feed the cat"),
    ] {
        let list = Call::get(url).bearer(token);
        // The data stays from run to run: one entry each is enough.
        if list.send()?.body.trim() == "[]" {
            let json = format!("{{\"title\": \"{title}\"}}");
            expect(&show(name, list.post(&json))?, 201, title)?;
        }
    }
    let firsts = show("one user", Call::get(url).bearer(first.trim()))?;
    expect(&firsts, 200, "water the plants")?;
    let seconds = show("another", Call::get(url).bearer(second.trim()))?;
    expect(&seconds, 200, "feed the cat")?;
    let apart = !firsts.body.contains("feed the cat") && !seconds.body.contains("water the plants");
    ensure!(apart, "one user sees the other's rows");
    expect(&show("nobody", Call::get(url))?, 403, "")?;
    println!("  each sees only their own rows, and nobody sees none: the policy says so");
    Ok(())
}

/// One user puts a document in and finds it by other words.
fn search(server: &Server, url: &str) -> anyhow::Result<()> {
    let indexes = server.koyalite(&["vector-indexes"])?;
    // The data stays from run to run.
    if !indexes.contains("documents") {
        println!("  koyalite vector-indexes create documents embedding");
        server.koyalite(&["vector-indexes", "create", "documents", "embedding"])?;
    }
    let token = server.koyalite(&["token", "create", "--subject", FIRST_USER])?;
    let all = Call::get(url).bearer(token.trim());
    let bread = r#"{"title": "Bread", "body": "flour, water, salt and patience"}"#;
    expect(&show("one user", all.post(bread))?, 201, "")?;
    let asked = format!("{url}?q=how+to+bake+bread");
    let found = show("the same", Call::get(&asked).bearer(token.trim()))?;
    expect(&found, 200, "Bread")?;
    expect(&show("nobody", Call::get(&asked))?, 401, "")
}

/// Waits for a run that was not there before, and shows the rows that the runs have written.
fn ticker(server: &mut Server, url: &str, before: &str) -> anyhow::Result<()> {
    let step = Step::start("waiting for the schedule to fire (every 5 s)");
    let deadline = Instant::now() + FIRING_PATIENCE;
    let run = loop {
        let latest = latest_success(server)?;
        if !latest.is_empty() && latest != before {
            break latest;
        }
        if Instant::now() > deadline {
            bail!("{TASK} did not fire within {} s", FIRING_PATIENCE.as_secs());
        }
        server.check_alive()?;
        signals::moment();
    };
    drop(step);
    println!("  {TASK} fired: {run}");
    expect(&show("nobody", Call::get(url))?, 200, "every-five-seconds")
}

/// The newest run that ended well, as `koyalite schedules runs` shows it: when it was due, status.
fn latest_success(server: &Server) -> anyhow::Result<String> {
    let runs = server.koyalite(&["schedules", "runs", TASK])?;
    let newest = runs.lines().find(|line| line.contains("succeeded"));
    let words: Vec<&str> = newest
        .unwrap_or_default()
        .split_whitespace()
        .take(2)
        .collect();
    Ok(words.join("  "))
}

/// Calls and prints: who, what, the status and the first lines of the answer.
fn show(who: &str, call: Call<'_>) -> anyhow::Result<Answer> {
    let as_whom = match call.token {
        Some(_) => format!("  as {who}"),
        None => String::new(),
    };
    let body = call
        .json
        .map(|json| format!("  {json}"))
        .unwrap_or_default();
    println!("  {} {}{as_whom}{body}", call.method, call.url);
    let answer = call.send()?;
    let mut lines = answer.body.lines();
    println!(
        "    {}  {}",
        answer.status,
        shorten(lines.next().unwrap_or_default())
    );
    for line in lines.by_ref().take(SHOWN_LINES - 1) {
        println!("         {}", shorten(line));
    }
    if lines.next().is_some() {
        println!("         …");
    }
    Ok(answer)
}

fn shorten(line: &str) -> String {
    match line.char_indices().nth(SHOWN_COLUMNS) {
        Some((end, _)) => format!("{} …", line.get(..end).unwrap_or_default()),
        None => line.to_owned(),
    }
}

fn expect(answer: &Answer, status: u16, text: &str) -> anyhow::Result<()> {
    ensure!(
        answer.status == status && answer.body.contains(text),
        "expected {status} and {text:?} in the answer, got {}: {}",
        answer.status,
        answer.body
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_line_is_cut_between_characters() {
        assert_eq!(shorten("hello"), "hello");
        let cut = shorten(&"ä".repeat(SHOWN_COLUMNS + 1));
        assert_eq!(cut, format!("{} …", "ä".repeat(SHOWN_COLUMNS)));
    }
}
