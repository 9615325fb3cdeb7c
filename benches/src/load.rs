//! The load: `wrk` on one subject for one round. Its own script prints the numbers, so that nothing
//! written for people has to be read back.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail};
use http::Method;
use tokio::process::Command;

/// One thread: two cores are shared with what is measured.
const THREADS: &str = "1";

/// Prints one line of numbers at the end; with a `KEYS`, asks for another key each time.
const SCRIPT: &str = r#"
local keys = tonumber(os.getenv("KEYS") or "0")
local key = 0
if keys > 0 then
  local base = wrk.path
  request = function()
    key = key % keys + 1
    return wrk.format(nil, base .. key)
  end
end
done = function(summary, latency)
  local e = summary.errors
  local broken = e.connect + e.read + e.write + e.timeout
  io.write(string.format("numbers %d %d %d %d %d %d %d\n", summary.requests, summary.duration,
    broken, e.status, latency:percentile(50), latency:percentile(99), latency:percentile(99.9)))
end
"#;

/// What one request looks like.
#[derive(Clone, Debug, Default)]
pub(crate) struct Target {
    pub(crate) url: String,
    pub(crate) headers: Vec<(String, String)>,
    /// Ends the URL with a number from 1 to this, each time another.
    pub(crate) keys: Option<u32>,
    /// Sent with POST, or the method below, if there is one.
    pub(crate) body: Option<String>,
    pub(crate) method: Option<Method>,
    pub(crate) connections: u32,
}

/// What one round showed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Numbers {
    pub(crate) requests: u64,
    pub(crate) per_second: f64,
    pub(crate) p50: Duration,
    pub(crate) p99: Duration,
    pub(crate) p999: Duration,
}

/// Drives load. Holds the script's file.
pub(crate) struct Load {
    folder: tempfile::TempDir,
}

impl Load {
    /// # Errors
    /// Where there is no room for a small file.
    pub(crate) fn new() -> anyhow::Result<Self> {
        Ok(Self {
            folder: tempfile::tempdir()?,
        })
    }

    /// One round.
    ///
    /// # Errors
    /// Where `wrk` cannot run, or any answer was not a success: a wrong answer is quick.
    pub(crate) async fn drive(&self, target: &Target, time: Duration) -> anyhow::Result<Numbers> {
        let script = self.script(target)?;
        let mut wrk = Command::new("wrk");
        wrk.args(["-t", THREADS, "-c", &target.connections.to_string()]);
        wrk.args(["-d", &format!("{}s", time.as_secs())]);
        wrk.arg("-s").arg(&script);
        for (name, value) in &target.headers {
            wrk.arg("-H").arg(format!("{name}: {value}"));
        }
        wrk.env("KEYS", target.keys.unwrap_or(0).to_string());
        let output = wrk.arg(&target.url).output().await;
        let output =
            output.context("cannot start wrk: install it (Debian: apt-get install wrk)")?;
        let text = String::from_utf8_lossy(&output.stdout);
        read(&text).with_context(|| format!("{}: {text}", target.url))
    }

    fn script(&self, target: &Target) -> anyhow::Result<PathBuf> {
        let path: &Path = self.folder.path();
        let path = path.join("load.lua");
        let body = target.body.as_ref().map_or(String::new(), |body| {
            let method = target.method.as_ref().unwrap_or(&Method::POST);
            format!("wrk.method = \"{method}\"\nwrk.body = [==[{body}]==]\n")
        });
        std::fs::write(&path, format!("{body}{SCRIPT}"))?;
        Ok(path)
    }
}

fn read(text: &str) -> anyhow::Result<Numbers> {
    let line = text.lines().find_map(|line| line.strip_prefix("numbers "));
    let numbers: Vec<u64> = line
        .context("wrk said nothing")?
        .split(' ')
        .map(str::parse)
        .collect::<Result<_, _>>()?;
    let [requests, micros, broken, refused, p50, p99, p999] = numbers[..] else {
        bail!("wrk said something else");
    };
    if requests == 0 || broken + refused > 0 {
        bail!("of {requests} answers {refused} were no success, {broken} connections broke");
    }
    #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
    let per_second = requests as f64 / (micros as f64 / 1e6);
    Ok(Numbers {
        requests,
        per_second,
        p50: Duration::from_micros(p50),
        p99: Duration::from_micros(p99),
        p999: Duration::from_micros(p999),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_round_with_a_wrong_answer_is_no_round() {
        let good = read("Running\nnumbers 1000 2000000 0 0 50 99 999\n").unwrap();
        assert_eq!((good.per_second, good.p99.as_micros()), (500.0, 99));
        assert!(read("numbers 1000 2000000 0 1 50 99 999").is_err());
        assert!(read("numbers 0 2000000 0 0 0 0 0").is_err());
        assert!(read("").is_err());
    }
}
