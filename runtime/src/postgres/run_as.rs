//! Which user Postgres runs as. It refuses to run as root, and so do we on its behalf.
//!
//! The choice is a list of candidates, tried in order against the real kernel: the first that can
//! enter the data directory and run the server wins. Mode bits are not second-guessed here, so
//! access lists and containers need no code. How a child becomes that user is in `child`.

use std::fs;
use std::path::Path;
use std::process::Stdio;

use tokio::process::Command;

use super::child;
use super::error::PostgresError;
use super::layout::Layout;

/// The accounts that machines have for this: the packaged server's own, then the one for programs
/// that need nobody's rights.
const ACCOUNTS: [&str; 2] = ["postgres", "nobody"];

/// A user and a group, by number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ids {
    pub(super) uid: u32,
    pub(super) gid: u32,
}

/// How a child process is to run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RunAs {
    /// As ourselves: we are not root.
    Caller(Ids),
    /// As another account; only root can.
    Account(Ids),
    /// As ourselves, under another number in a user namespace of its own: files stay owned by
    /// `outside`, and the child sees itself as `inside`, which must exist in the account file.
    Namespace {
        /// Who we are.
        outside: Ids,
        /// Who the child believes to be.
        inside: Ids,
    },
}

impl RunAs {
    /// Who owns the files that such a child makes.
    pub(super) fn file_owner(self) -> Ids {
        match self {
            Self::Caller(ids) | Self::Account(ids) | Self::Namespace { outside: ids, .. } => ids,
        }
    }
}

/// Finds the first way to run the server in `bin` on this data directory.
pub(super) async fn choose(me: Ids, layout: &Layout, bin: &Path) -> Result<RunAs, PostgresError> {
    let accounts = parse_accounts(&fs::read_to_string("/etc/passwd").unwrap_or_default());
    let owners = Owners {
        cluster: layout.cluster_owner(),
        parent: layout.root.parent().and_then(owner),
    };
    let candidates = candidates(me, &owners, &accounts);
    if let [only @ RunAs::Caller(_)] = candidates.as_slice() {
        return Ok(*only);
    }
    let mut tried = Vec::new();
    for candidate in candidates {
        match probe(candidate, layout, bin).await {
            Ok(()) => return Ok(candidate),
            Err(reason) => tried.push(format!("{}: {reason}", describe(candidate, &accounts))),
        }
    }
    Err(PostgresError::NoUser {
        data_dir: layout.root.clone(),
        tried: tried.join(", "),
    })
}

/// Who owns what matters for the choice.
#[derive(Debug, Default)]
struct Owners {
    /// The existing cluster.
    cluster: Option<u32>,
    /// The folder that holds the data directory.
    parent: Option<u32>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Account {
    name: String,
    ids: Ids,
}

/// All ways to run, best first. Pure: the caller tries them.
fn candidates(me: Ids, owners: &Owners, accounts: &[Account]) -> Vec<RunAs> {
    let by_name = |name: &str| accounts.iter().find(|account| account.name == name);
    let by_uid = |uid: u32| accounts.iter().find(|account| account.ids.uid == uid);
    // Postgres looks its own number up and gives up where it has no name.
    let inside = by_name("nobody").or_else(|| accounts.iter().find(|one| one.ids.uid != 0));
    let namespace = inside
        .filter(|_| cfg!(target_os = "linux"))
        .map(|account| RunAs::Namespace {
            outside: me,
            inside: account.ids,
        });
    if me.uid != 0 {
        // An account that is in no file may still be in a directory service, so we stay a candidate.
        let nameless = by_uid(me.uid).is_none();
        let namespace = namespace.filter(|_| nameless);
        return namespace.into_iter().chain([RunAs::Caller(me)]).collect();
    }
    let mut ways: Vec<RunAs> = Vec::new();
    let mut add = |way: RunAs| {
        if !ways.contains(&way) {
            ways.push(way);
        }
    };
    // Whoever ran the cluster before comes first: no file has to change hands.
    match owners.cluster {
        Some(0) => namespace.into_iter().for_each(&mut add),
        Some(uid) => by_uid(uid)
            .into_iter()
            .for_each(|one| add(RunAs::Account(one.ids))),
        None => {}
    }
    ACCOUNTS
        .iter()
        .filter_map(|name| by_name(name))
        .for_each(|one| add(RunAs::Account(one.ids)));
    // Below a private home of somebody else, only that person may pass, and root without powers
    // (which is what a namespace leaves us) may not.
    let parent = owners.parent.filter(|uid| *uid != 0).and_then(by_uid);
    parent
        .into_iter()
        .for_each(|one| add(RunAs::Account(one.ids)));
    namespace.into_iter().for_each(add);
    ways
}

/// Enters the data directory and runs the server, as the candidate would.
async fn probe(candidate: RunAs, layout: &Layout, bin: &Path) -> Result<(), String> {
    let mut command = Command::new(bin.join("postgres"));
    command
        .arg("--version")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command.kill_on_drop(true);
    child::become_user(&mut command, candidate, &layout.root).map_err(|error| error.to_string())?;
    let status = command.status().await.map_err(|error| error.to_string())?;
    if status.success() {
        Ok(())
    } else {
        Err(status.to_string())
    }
}

fn describe(candidate: RunAs, accounts: &[Account]) -> String {
    match candidate {
        RunAs::Caller(ids) => format!("uid {}", ids.uid),
        RunAs::Account(ids) => accounts
            .iter()
            .find(|account| account.ids == ids)
            .map_or_else(
                || format!("uid {}", ids.uid),
                |account| account.name.clone(),
            ),
        RunAs::Namespace { .. } => "a user namespace".to_owned(),
    }
}

fn owner(path: &Path) -> Option<u32> {
    use std::os::unix::fs::MetadataExt;
    fs::metadata(path).ok().map(|metadata| metadata.uid())
}

/// Reads the account file; lines that make no sense are not accounts.
fn parse_accounts(text: &str) -> Vec<Account> {
    let account = |line: &str| {
        let mut fields = line.split(':');
        let name = fields
            .next()
            .filter(|name| !name.starts_with('#'))?
            .to_owned();
        let uid = fields.nth(1)?.parse().ok()?;
        let gid = fields.next()?.parse().ok()?;
        Some(Account {
            name,
            ids: Ids { uid, gid },
        })
    };
    text.lines().filter_map(account).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOT: Ids = Ids { uid: 0, gid: 0 };
    const POSTGRES: Ids = Ids { uid: 101, gid: 104 };
    const NOBODY: Ids = Ids {
        uid: 65534,
        gid: 65534,
    };
    const ALICE: Ids = Ids {
        uid: 1000,
        gid: 1000,
    };

    fn accounts() -> Vec<Account> {
        parse_accounts(
            "root:x:0:0:root:/root:/bin/bash\n# a comment\nbroken line\nnumberless:x:y:z::/:\n\
             postgres:x:101:104:,,,:/var/lib/postgresql:/bin/bash\nnobody:x:65534:65534::/:\n\
             alice:x:1000:1000::/home/alice:/bin/sh\n",
        )
    }

    #[test]
    fn the_account_file_is_read_and_nonsense_skipped() {
        let names: Vec<_> = accounts().into_iter().map(|account| account.name).collect();
        assert_eq!(names, ["root", "postgres", "nobody", "alice"]);
        assert_eq!(parse_accounts(""), []);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn candidates_come_in_the_order_that_moves_the_fewest_files() {
        use RunAs::{Account as As, Caller, Namespace};
        let inside_root = Namespace {
            outside: ROOT,
            inside: NOBODY,
        };
        let check = |me: Ids, cluster: Option<u32>, parent: u32, wanted: &[RunAs]| {
            let owners = Owners {
                cluster,
                parent: Some(parent),
            };
            assert_eq!(
                candidates(me, &owners, &accounts()),
                wanted,
                "{me:?} {owners:?}"
            );
        };
        check(ALICE, None, 1000, &[Caller(ALICE)]);
        check(ALICE, Some(101), 1000, &[Caller(ALICE)]);
        check(ROOT, None, 0, &[As(POSTGRES), As(NOBODY), inside_root]);
        check(ROOT, Some(101), 0, &[As(POSTGRES), As(NOBODY), inside_root]);
        check(
            ROOT,
            Some(65534),
            0,
            &[As(NOBODY), As(POSTGRES), inside_root],
        );
        check(ROOT, Some(0), 0, &[inside_root, As(POSTGRES), As(NOBODY)]);
        check(
            ROOT,
            None,
            1000,
            &[As(POSTGRES), As(NOBODY), As(ALICE), inside_root],
        );
        // A number without a name, as containers are started with.
        let nameless = Ids { uid: 4242, gid: 0 };
        let inside = Namespace {
            outside: nameless,
            inside: NOBODY,
        };
        check(nameless, None, 4242, &[inside, Caller(nameless)]);
    }

    #[test]
    fn nobody_runs_as_root_whatever_the_accounts() {
        for accounts in [vec![], accounts()] {
            let ways = candidates(ROOT, &Owners::default(), &accounts);
            let root = |way: &RunAs| match way {
                RunAs::Caller(ids) | RunAs::Account(ids) => ids.uid == 0,
                RunAs::Namespace { inside, .. } => inside.uid == 0,
            };
            assert!(!ways.iter().any(root), "{ways:?}");
        }
    }
}
