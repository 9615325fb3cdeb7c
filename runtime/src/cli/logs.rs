//! `koyalite logs`: the lines of a function and the ends of its invocations, as they come.

use std::time::Duration;

use chrono::DateTime;
use clap::Args;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use serde::Deserialize;

use anyhow::{Context, anyhow};

use super::args::ControlArgs;
use super::error::CliError;
use super::output::{Format, Output};

/// No log line is near this long (the host cuts at 8 KiB): a longer one is not a log.
const LINE_BYTES_MAX: usize = 1 << 20;

/// Of which function.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  koyalite logs hello\n  koyalite logs hello -f\n  \
                        koyalite logs hello --limit 1000 --json"
)]
pub(super) struct LogsArgs {
    /// The function
    function: String,
    /// Keep running and show new lines as they are written
    #[arg(short, long)]
    follow: bool,
    /// How many of the newest lines to start with
    #[arg(long, value_name = "LINES", default_value_t = 100)]
    limit: u32,
    #[command(flatten)]
    server: ControlArgs,
}

/// One line of the stream.
#[derive(Deserialize)]
struct Line {
    time: String,
    kind: Kind,
    #[serde(default)]
    level: Option<String>,
    #[serde(default)]
    message: Option<String>,
    #[serde(default)]
    version: Option<u32>,
    #[serde(default)]
    status: Option<u16>,
    #[serde(default)]
    duration_ms: Option<f64>,
    #[serde(default, flatten)]
    used: Option<Used>,
}

/// What an invocation has used, as far as the server says.
#[derive(Deserialize)]
struct Used {
    cpu_us: u64,
    host_us: u64,
    host_calls: u32,
    memory_bytes: u64,
    bytes_in: u64,
    bytes_out: u64,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    Log,
    Invocation,
}

impl LogsArgs {
    /// Prints lines until the stream ends.
    pub(super) async fn run(self) -> Result<(), CliError> {
        let mut path = self.server.path(["functions", &self.function, "logs"]);
        path.push_str(&format!("?limit={}", self.limit));
        if self.follow {
            path.push_str("&follow=1");
        }
        let stream = self.server.client()?.stream(&path).await?;
        copy_lines(stream, self.server.output()).await
    }
}

async fn copy_lines(mut stream: Incoming, output: Output) -> Result<(), CliError> {
    let mut pending = Vec::new();
    while let Some(frame) = stream.frame().await {
        let frame = frame.context("the connection to the server broke")?;
        let Ok(data) = frame.into_data() else {
            continue;
        };
        for byte in data {
            match byte {
                b'\n' => {
                    print_line(&pending, output)?;
                    pending.clear();
                }
                _ if pending.len() == LINE_BYTES_MAX => {
                    return Err(anyhow!("a line is over {LINE_BYTES_MAX} bytes: not a log").into());
                }
                _ => pending.push(byte),
            }
        }
    }
    print_line(&pending, output)
}

fn print_line(bytes: &[u8], output: Output) -> Result<(), CliError> {
    // Blank lines are the server's sign of life on a quiet log.
    let text = String::from_utf8_lossy(bytes);
    let text = text.trim();
    match (text.is_empty(), output.format()) {
        (true, _) => Ok(()),
        (false, Format::Json) => output.line(text),
        (false, Format::Human) => output.line(&render(text)),
    }
}

fn render(text: &str) -> String {
    let Ok(line) = serde_json::from_str::<Line>(text) else {
        return text.to_owned();
    };
    let time = clock(&line.time);
    let version = line
        .version
        .map(|version| format!("v{version} "))
        .unwrap_or_default();
    match line.kind {
        Kind::Log => format!(
            "{time} {version}{:<5} {}",
            line.level.as_deref().unwrap_or("info"),
            quiet(line.message.as_deref().unwrap_or_default()),
        ),
        Kind::Invocation => {
            let status = line.status.map(|status| status.to_string());
            let took = line
                .duration_ms
                .map(|ms| format!(" in {ms:.1} ms"))
                .unwrap_or_default();
            // With a status, the host's words only repeat it; without one they say what happened.
            let message = line.message.filter(|_| line.status.is_none());
            let message = message
                .map(|text| format!(" · {}", quiet(&text)))
                .unwrap_or_default();
            let used = line.used.as_ref().map(used).unwrap_or_default();
            format!(
                "{time} {version}─── {}{took}{message}{used}",
                status.as_deref().unwrap_or("end")
            )
        }
    }
}

fn used(used: &Used) -> String {
    let milliseconds = |us: u64| Duration::from_micros(us).as_secs_f64() * 1000.0;
    let host = match used.host_calls {
        0 => String::new(),
        calls => format!(
            ", host {:.1} ms (calls: {calls})",
            milliseconds(used.host_us)
        ),
    };
    format!(
        " · cpu {:.1} ms{host}, {} KiB, {} B in, {} B out",
        milliseconds(used.cpu_us),
        used.memory_bytes / 1024,
        used.bytes_in,
        used.bytes_out
    )
}

/// The time to the millisecond; what is no time stays as it is.
fn clock(time: &str) -> String {
    match DateTime::parse_from_rfc3339(time) {
        Ok(time) => time.to_utc().format("%Y-%m-%d %H:%M:%S%.3f").to_string(),
        Err(_) => quiet(time),
    }
}

/// A guest's text without the control characters that would let it write over the terminal.
fn quiet(message: &str) -> String {
    message
        .chars()
        .map(|c| {
            if c.is_control() && c != '\t' {
                '\u{fffd}'
            } else {
                c
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(line: &str, expected: &str) {
        assert_eq!(render(line), expected);
    }

    #[test]
    fn lines_and_ends_read_differently() {
        check(
            r#"{"time":"10:00:00","kind":"log","level":"warn","message":"low","version":2}"#,
            "10:00:00 v2 warn  low",
        );
        check(
            r#"{"time":"10:00:00","kind":"invocation","status":200,"duration_ms":1.25,"version":2}"#,
            "10:00:00 v2 ─── 200 in 1.2 ms",
        );
        check(
            r#"{"time":"10:00:00","kind":"invocation","status":200,"duration_ms":4,"version":2,
                "cpu_us":350,"host_us":2040,"host_calls":3,"memory_bytes":1179648,"bytes_in":4,"bytes_out":17}"#,
            "10:00:00 v2 ─── 200 in 4.0 ms · cpu 0.3 ms, host 2.0 ms (calls: 3), 1152 KiB, 4 B in, 17 B out",
        );
        check(
            r#"{"time":"2026-01-02T03:04:05.678901234Z","kind":"invocation","message":"trapped"}"#,
            "2026-01-02 03:04:05.678 ─── end · trapped",
        );
        check("not json", "not json");
    }

    #[test]
    fn a_guest_cannot_move_the_cursor() {
        check(
            r#"{"time":"10:00:00","kind":"log","level":"info","message":"\u001b[2Jgone\r"}"#,
            "10:00:00 info  \u{fffd}[2Jgone\u{fffd}",
        );
    }
}
