//! The `koyalite` program as a person uses it, from a folder of theirs.

use std::path::Path;
use std::process::Command;

use super::app::TestApp;
use super::settings::Settings;

/// A terminal in some folder.
pub(crate) struct CommandLine {
    settings: Vec<(&'static str, String)>,
}

/// How a command ended.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) code: i32,
    pub(crate) output: String,
    pub(crate) errors: String,
}

impl CommandLine {
    /// Knows where the app's control listener is, and its administrator's token.
    pub(crate) fn of(app: &TestApp, project: &str) -> CommandLine {
        CommandLine {
            settings: vec![
                ("KOYALITE_CONTROL_URL", app.listening().control.clone()),
                ("KOYALITE_TOKEN", app.admin().to_owned()),
                ("KOYALITE_PROJECT", project.to_owned()),
            ],
        }
    }

    /// Knows where the app's control listener is, and has no token but what signing in gives, which is
    /// kept below `home`.
    pub(crate) fn person(app: &TestApp, project: &str, home: &Path) -> CommandLine {
        CommandLine {
            settings: vec![
                ("KOYALITE_CONTROL_URL", app.listening().control.clone()),
                ("KOYALITE_PROJECT", project.to_owned()),
                ("XDG_CONFIG_HOME", home.to_str().unwrap().to_owned()),
            ],
        }
    }

    /// Runs a line of a shell, for what comes from standard input; `koyalite` is the program.
    pub(crate) async fn shell(&self, folder: &Path, line: &str) -> Finished {
        let program = Settings::program();
        let line = format!("koyalite() {{ {} \"$@\"; }}; {line}", program.display());
        self.program(Command::new("sh"), folder, &["-c", &line])
            .await
    }

    /// Knows nothing.
    pub(crate) fn bare() -> CommandLine {
        CommandLine {
            settings: Vec::new(),
        }
    }

    /// Runs `koyalite` with the arguments in `folder`.
    pub(crate) async fn run(&self, folder: &Path, arguments: &[&str]) -> Finished {
        self.program(Command::new(Settings::program()), folder, arguments)
            .await
    }

    /// Runs another program there.
    pub(crate) async fn program(
        &self,
        mut command: Command,
        folder: &Path,
        arguments: &[&str],
    ) -> Finished {
        command.args(arguments).current_dir(folder).env_clear();
        command.envs(Settings::path().map(|path| ("PATH", path)));
        command.envs(Settings::homes());
        command.envs(self.settings.iter().map(|(name, value)| (name, value)));
        let output = tokio::task::spawn_blocking(move || command.output())
            .await
            .unwrap()
            .unwrap();
        Finished {
            code: output.status.code().unwrap_or(-1),
            output: String::from_utf8_lossy(&output.stdout).into_owned(),
            errors: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

impl Finished {
    /// Fails unless it ended with this code; answers what it printed.
    #[track_caller]
    pub(crate) fn expect(self, code: i32) -> String {
        assert_eq!(self.code, code, "{self:?}");
        self.output
    }
}
