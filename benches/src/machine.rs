//! The machine that the numbers are from, and whether it was quiet enough to tell.

use serde::Serialize;

/// Above this many runnable tasks per core before the first round, somebody else is at work.
const BUSY_PER_CORE: f64 = 0.5;

/// Where it was measured.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Machine {
    cores: usize,
    processor: String,
    kernel: String,
    /// The load average of the minute before.
    load: f64,
}

impl Machine {
    /// This one, now.
    pub(crate) fn look() -> Self {
        let line = |file: &str, name: &str| {
            let text = std::fs::read_to_string(file).unwrap_or_default();
            let found = text.lines().find(|line| line.starts_with(name));
            let value = found.and_then(|line| line.split_once(':'));
            value.map_or(String::new(), |(_, value)| value.trim().to_owned())
        };
        let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
        let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
        Self {
            cores: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
            processor: line("/proc/cpuinfo", "model name"),
            kernel: kernel.trim().to_owned(),
            load: load
                .split(' ')
                .next()
                .and_then(|first| first.parse().ok())
                .unwrap_or_default(),
        }
    }

    /// What a reader of the numbers must know.
    pub(crate) fn warning(&self) -> Option<String> {
        #[expect(clippy::cast_precision_loss, reason = "a small number")]
        let cores = self.cores as f64;
        (self.load > BUSY_PER_CORE * cores).then(|| {
            format!(
                "the machine was busy before the first round (load {}): the numbers are low and noisy",
                self.load
            )
        })
    }

    /// In one line, for people.
    pub(crate) fn line(&self) -> String {
        let Self {
            cores,
            processor,
            kernel,
            load,
        } = self;
        format!("{cores} cores, {processor}, Linux {kernel}, load {load}")
    }
}
