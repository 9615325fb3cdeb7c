//! How a server is started: the command, its folder, and the settings it is given. Nothing of the
//! environment of the tests reaches it but the search path.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use koyalite_runtime::keys::KeyRing;
use tempfile::TempDir;

use super::bucket::Bucket;
use super::database::Database;
use super::guests::root;
use super::pooler::Pooler;
use super::process::Process;
use super::settings::Settings;

/// Everything that a start needs; can be started again and again in the same folder.
#[derive(Clone)]
pub(crate) struct Launch {
    folder: Arc<TempDir>,
    command: &'static str,
    settings: Vec<(String, String)>,
    database: Option<Database>,
}

impl Launch {
    /// `koyalite serve` on a fresh database of the Postgres that all tests share.
    pub(crate) async fn serve() -> Launch {
        let launch = Launch::new("serve");
        launch.share_compiled();
        let database = Database::create().await;
        let keys = launch.keys().display().to_string();
        let launch = launch
            .set("KOYALITE_KEY_FILE", &keys)
            .set("DATABASE_URL", &database.url());
        Launch {
            database: Some(database),
            ..launch
        }
    }

    /// `koyalite dev`, which brings its own Postgres.
    pub(crate) fn dev() -> Launch {
        Launch::new("dev")
    }

    /// `koyalite dev` on a database of ours, so that it can have a neighbour.
    pub(crate) async fn dev_beside_others() -> Launch {
        let launch = Launch::new("dev");
        launch.share_compiled();
        let database = Database::create().await;
        let launch = launch.set("KOYALITE_DATABASE_URL", &database.url());
        Launch {
            database: Some(database),
            ..launch
        }
    }

    fn new(command: &'static str) -> Launch {
        let folder = Arc::new(tempfile::tempdir().unwrap());
        let launch = Launch {
            folder,
            command,
            settings: Vec::new(),
            database: None,
        };
        let data = launch.data().display().to_string();
        launch
            .set("KOYALITE_DATA_DIR", &data)
            .set("KOYALITE_LISTEN", "127.0.0.1:0")
            .set("KOYALITE_CONTROL_LISTEN", "127.0.0.1:0")
            .set("KOYALITE_LOG_FORMAT", "text")
    }

    /// Gives the server the key ring and the compiled code of all servers of the tests, also of
    /// earlier runs: on two cores, compiling the same JavaScript engine for each server would be
    /// most of what the tests do. What is compiled under another engine is another file.
    fn share_compiled(&self) {
        let shared = root().join("target/tests");
        std::fs::create_dir_all(&shared).unwrap();
        let keys = shared.join("keys.json");
        KeyRing::open_or_create(&keys).unwrap();
        std::fs::create_dir_all(self.data()).unwrap();
        std::fs::copy(&keys, self.keys()).unwrap();
        let compiled = shared.join("compiled");
        let made = DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&compiled);
        made.unwrap();
        std::os::unix::fs::symlink(compiled, self.data().join("compiled")).unwrap();
    }

    /// A second node beside this one: a folder of its own, the same keys, components and database.
    pub(crate) fn neighbour(&self) -> Launch {
        let folder = Arc::new(tempfile::tempdir().unwrap());
        let beside = Launch {
            folder,
            ..self.clone()
        };
        beside.share_compiled();
        let components = self.data().join("objects");
        std::fs::create_dir_all(&components).unwrap();
        std::os::unix::fs::symlink(components, beside.data().join("objects")).unwrap();
        let data = beside.data().display().to_string();
        beside.set("KOYALITE_DATA_DIR", &data)
    }

    /// A second node that has nothing of this one but its settings and its database.
    pub(crate) fn elsewhere(&self) -> Launch {
        let folder = Arc::new(tempfile::tempdir().unwrap());
        let beside = Launch {
            folder,
            ..self.clone()
        };
        // Tokens are made with it.
        std::fs::copy(self.keys(), beside.keys()).unwrap();
        let data = beside.data().display().to_string();
        beside.set("KOYALITE_DATA_DIR", &data)
    }

    /// The same with its objects in a bucket of its own, where these tests are asked to do that and nobody has
    /// said where they are.
    pub(crate) async fn in_a_bucket_if_asked(self) -> Launch {
        let said = self
            .settings
            .iter()
            .any(|(name, _)| name == "KOYALITE_STORE");
        match Settings::number("KOYALITE_TEST_BUCKETS") {
            Some(1) if !said => Bucket::new().await.unwrap().keeps(self),
            _ => self,
        }
    }

    /// The same behind a pooler, where these tests are asked to do that and nobody has said which database it is.
    pub(crate) async fn behind_a_pooler_if_asked(self) -> Launch {
        let own = self.database.as_ref().map(Database::url);
        let said = |setting: &(String, String)| setting.0.ends_with("DATABASE_URL");
        let last = self
            .settings
            .iter()
            .rfind(|it| said(it))
            .map(|(_, url)| url);
        match Settings::number("KOYALITE_TEST_POOLER") {
            Some(1) if own.is_some() && own.as_ref() == last => {
                let pooler = Pooler::new(self.database()).await.unwrap();
                pooler.before(self)
            }
            _ => self,
        }
    }

    /// The same with its objects in its folder, whatever these tests are asked to do.
    pub(crate) fn in_its_folder(self) -> Launch {
        self.set("KOYALITE_STORE", "")
    }

    /// One setting, as the server's environment has it. The last one of a name counts.
    pub(crate) fn set(mut self, name: &str, value: &str) -> Launch {
        self.settings.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Without one setting.
    pub(crate) fn unset(mut self, name: &str) -> Launch {
        self.settings.retain(|(known, _)| known != name);
        self
    }

    /// Starts the server; it is not ready yet.
    pub(crate) fn spawn(&self) -> Process {
        let mut command = Command::new(Settings::program());
        command
            .arg(self.command)
            .env_clear()
            .current_dir(self.folder.path());
        command.envs(Settings::path().map(|path| ("PATH", path)));
        command.envs(self.settings.iter().map(|(name, value)| (name, value)));
        Process::spawn(command, &self.log())
    }

    /// The working folder of the server: `.koyalite` is in it.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Its data directory.
    pub(crate) fn data(&self) -> PathBuf {
        self.folder.path().join(".koyalite")
    }

    /// Its key ring.
    pub(crate) fn keys(&self) -> PathBuf {
        match self.command {
            "serve" => self.folder.path().join("keys.json"),
            _ => self.data().join("keys.json"),
        }
    }

    pub(crate) fn log(&self) -> PathBuf {
        self.folder.path().join("log")
    }

    /// Its database, where the tests made it.
    pub(crate) fn database(&self) -> &Database {
        self.database
            .as_ref()
            .expect("a launch with a database of ours")
    }
}
