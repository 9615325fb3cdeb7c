//! `koyalite run`: one component in a process of its own, with nothing around it.

use std::process::Command;
use std::time::Duration;

use http::Method;
use tempfile::TempDir;

use super::guests::file;
use super::{Call, Process, Settings, eventually};

/// The child compiles its component first.
const PATIENCE: Duration = Duration::from_secs(60);

/// A component that is being served.
pub(crate) struct Single {
    process: Process,
    base: String,
    _folder: TempDir,
}

impl Single {
    /// Serves a guest at any free port, and waits until it says where.
    pub(crate) async fn start(guest: &str, arguments: &[&str]) -> Single {
        let folder = tempfile::tempdir().unwrap();
        let mut command = Command::new(Settings::program());
        command.arg("run").arg(file(guest));
        command.args(["--addr", "127.0.0.1:0"]).args(arguments);
        // Nothing of ours to lean on: no database, no token, no folder.
        command.current_dir(folder.path()).env_clear();
        let process = Process::spawn(command, &folder.path().join("log"));
        let base = eventually("the first line of koyalite run", PATIENCE, || async {
            assert!(process.ended().is_none(), "{}", process.log());
            let log = process.log();
            let (first, _) = log.split_once('\n')?;
            let at = first.find("http://")?;
            first[at..].split(' ').next().map(str::to_owned)
        });
        let base = base.await;
        Single {
            process,
            base,
            _folder: folder,
        }
    }

    pub(crate) fn call(&self, method: Method, path: &str) -> Call {
        Call::new(method, &self.base, path)
    }

    /// Host and port.
    pub(crate) fn authority(&self) -> &str {
        self.base.trim_start_matches("http://")
    }

    /// All that it has written, its own lines and the component's.
    pub(crate) fn log(&self) -> String {
        self.process.log()
    }

    /// Ends it as Ctrl-C does; answers its exit code.
    pub(crate) async fn interrupt(self) -> i32 {
        self.process.signal(libc::SIGINT);
        self.process.wait(PATIENCE).await
    }
}
