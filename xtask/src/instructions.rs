//! `cargo xtask instructions`: how many machine instructions a request takes, against a budget.
//!
//! Times on a small shared machine vary by a fifth; instructions hardly vary at all. So the program
//! that the tests run is run under valgrind, called, and what it executed is compared with
//! `benches/instructions.txt`. A change that makes the path of a request longer than that fails here,
//! and `--bless` writes the new numbers down for those who meant it.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, bail};

use crate::http::Call;
use crate::server::Server;
use crate::stopwatch::Stopwatch;
use crate::{guests, host, packages, paths, postgres, signals, step::Step};

const USAGE: &str = "usage: cargo xtask instructions [--bless]";

/// How far above its budget a request may be. Two runs of one program differ by 2 %; another machine's C
/// library may choose other routines.
const TOLERANCE_PERCENT: u64 = 10;
/// Calls before anything is counted: code is loaded, connections are opened, statements prepared.
const WARM_UP: usize = 30;
/// Calls that are counted.
const COUNTED: usize = 50;

/// Programs that the server starts and whose instructions are not ours. Its own compiling child stays
/// in: it must see the processor that the server sees, and valgrind's has fewer features than ours.
const NOT_OURS: &str = "*postgres*,*initdb*,*pg_ctl*,*pg_config*,*/su,*/setpriv,*/sh,*/env";

/// A kind of request: the guest, how it is isolated, and what is called below its own path.
struct Kind {
    name: &'static str,
    guest: &'static str,
    isolation: &'static str,
    path: &'static str,
}

const KINDS: [Kind; 4] = [
    Kind {
        name: "fresh",
        guest: "hello",
        isolation: "request",
        path: "",
    },
    Kind {
        name: "fresh-02",
        guest: "hello-02",
        isolation: "request",
        path: "",
    },
    Kind {
        name: "shared",
        guest: "hello",
        isolation: "shared",
        path: "",
    },
    // As a user, under a policy, with a statement to Postgres.
    Kind {
        name: "select",
        guest: "lookup",
        isolation: "request",
        path: "/7",
    },
];

/// Whose row is selected.
const OWNER: &str = "6f1a0a52-3c51-4a5e-9a3f-0c8e8f5a2b10";

const SCHEMA: &str = r#"{ "tables": [{ "name": "items",
  "columns": [
    { "name": "id", "type": "bigint", "primary_key": true },
    { "name": "owner_id", "type": "uuid" },
    { "name": "title", "type": "text" },
    { "name": "done", "type": "boolean", "default": false },
    { "name": "created_at", "type": "timestamptz", "default": "now()" }
  ],
  "policies": [{ "name": "own", "effect": "allow", "commands": ["select"],
    "using": "owner_id = auth.uid()" }] }] }"#;

/// What a person wants.
#[derive(Clone, Copy)]
enum Wish {
    Compare,
    Bless,
}

/// Counts, and compares or writes down.
pub(crate) fn run(arguments: &[String]) -> anyhow::Result<()> {
    let wish = match arguments {
        [] => Wish::Compare,
        [word] if word == "--bless" => Wish::Bless,
        [..] => bail!(USAGE),
    };
    packages::have("valgrind")?;
    let mut watch = Stopwatch::start();
    watch.step("build the guests", || guests::run_with(&["benches/guests"]))?;
    let program = watch.step("build the koyalite program", host::build)?;
    if !postgres::is_there() {
        postgres::install(postgres::Need::ForTests)?;
    }
    signals::listen();
    let counted = watch.step("count instructions", || count_all(&program))?;
    match wish {
        Wish::Compare => compare(&counted),
        Wish::Bless => bless(&counted),
    }
}

/// What each kind of request takes.
fn count_all(program: &Path) -> anyhow::Result<BTreeMap<String, u64>> {
    let folder = paths::root().join("target/instructions");
    if folder.exists() {
        std::fs::remove_dir_all(&folder).context("cannot empty target/instructions")?;
    }
    std::fs::create_dir_all(&folder)?;
    let out = folder.join("counts");
    let launcher = [
        "valgrind".to_owned(),
        "--tool=callgrind".to_owned(),
        // Guests are code that comes and goes.
        "--smc-check=all-non-file".to_owned(),
        "--instr-atstart=no".to_owned(),
        "--trace-children=yes".to_owned(),
        format!("--trace-children-skip={NOT_OURS}"),
        format!("--callgrind-out-file={}.%p", out.display()),
    ];
    let mut server = Server::start_by(&launcher, program, &folder.join("data"))?;
    let counts = Counts {
        server: &server,
        folder: &folder,
        out: format!("{}.{}", out.display(), server.id()).into(),
    };
    let counted = counts.all();
    let words = server.last_words();
    server.stop()?;
    counted.context(words)
}

struct Counts<'a> {
    server: &'a Server,
    folder: &'a Path,
    /// What valgrind's files begin with.
    out: PathBuf,
}

impl Counts<'_> {
    fn all(&self) -> anyhow::Result<BTreeMap<String, u64>> {
        let token = self.prepare()?;
        let mut counted = BTreeMap::new();
        for (index, kind) in KINDS.iter().enumerate() {
            let step = Step::start(kind.name);
            self.deploy(kind)?;
            let url = format!(
                "{}/f/demo/{}{}",
                self.server.functions, kind.name, kind.path
            );
            let call = match kind.guest {
                "lookup" => Call::get(&url).bearer(&token),
                _ => Call::get(&url),
            };
            self.call(call, WARM_UP)?;
            self.tell(&["instrumentation", "on"])?;
            self.call(call, COUNTED)?;
            self.tell(&["instrumentation", "off"])?;
            self.tell(&["dump"])?;
            let file = format!("{}.{}", self.out.display(), index + 1);
            let total = total(&std::fs::read_to_string(&file).context(file)?)?;
            counted.insert(kind.name.to_owned(), total / COUNTED as u64);
            drop(step);
        }
        Ok(counted)
    }

    /// The table and its row; a token of the user whose it is.
    fn prepare(&self) -> anyhow::Result<String> {
        let row = format!(r#"[{{ "id": 7, "owner_id": "{OWNER}", "title": "seven" }}]"#);
        let (schema, rows) = (
            self.write("schema.json", SCHEMA)?,
            self.write("rows.json", &row)?,
        );
        self.server.koyalite(&["tables", "apply", &schema])?;
        self.server.koyalite(&["tables", "seed", "items", &rows])?;
        let token = self
            .server
            .koyalite(&["token", "create", "--subject", OWNER])?;
        Ok(token.trim().to_owned())
    }

    fn deploy(&self, kind: &Kind) -> anyhow::Result<()> {
        let Kind {
            name,
            guest,
            isolation,
            ..
        } = kind;
        let manifest = format!("name = \"{name}\"\nisolation = \"{isolation}\"\n");
        std::fs::create_dir_all(self.folder.join(name))?;
        self.write(&format!("{name}/koyalite.toml"), &manifest)?;
        let component = paths::guests().join(format!("{guest}.wasm"));
        let (component, folder) = (component.display(), self.folder.join(name));
        let words = [
            "deploy",
            "--component",
            &component.to_string(),
            &folder.display().to_string(),
        ];
        self.server.koyalite(&words)?;
        Ok(())
    }

    fn write(&self, name: &str, text: &str) -> anyhow::Result<String> {
        let file = self.folder.join(name);
        std::fs::write(&file, text)?;
        Ok(file.display().to_string())
    }

    fn call(&self, call: Call<'_>, times: usize) -> anyhow::Result<()> {
        for _ in 0..times {
            let answer = call.send()?;
            if answer.status != 200 {
                bail!("{} answered {}: {}", call.url, answer.status, answer.body);
            }
        }
        Ok(())
    }

    /// Speaks to valgrind inside the server.
    fn tell(&self, words: &[&str]) -> anyhow::Result<()> {
        let mut tell = Command::new("vgdb");
        tell.arg(format!("--pid={}", self.server.id())).args(words);
        tell.stdout(Stdio::null()).stderr(Stdio::null());
        match tell.status().context("cannot start vgdb")?.success() {
            true => Ok(()),
            false => bail!("valgrind did not understand `{}`", words.join(" ")),
        }
    }
}

/// The sum in a file of callgrind's: the line `totals: N`.
fn total(text: &str) -> anyhow::Result<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix("totals: "));
    let total = line.context("valgrind counted nothing")?;
    Ok(total.trim().parse()?)
}

fn budget_file() -> PathBuf {
    paths::root().join("benches/instructions.txt")
}

/// Lines of a kind and its number; `#` begins a remark.
fn read(text: &str) -> anyhow::Result<BTreeMap<String, u64>> {
    let lines = text.lines().map(str::trim);
    let lines = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
    let entry = |line: &str| {
        let (name, number) = line.split_once(' ').context("a line is NAME NUMBER")?;
        Ok((name.to_owned(), number.trim().parse()?))
    };
    lines.map(entry).collect()
}

fn compare(counted: &BTreeMap<String, u64>) -> anyhow::Result<()> {
    let budgets = read(&std::fs::read_to_string(budget_file())?)?;
    let mut over = Vec::new();
    println!(
        "  {:<10} {:>12} {:>12}",
        "request", "instructions", "budget"
    );
    for (name, &count) in counted {
        let budget = budgets.get(name).copied().unwrap_or_default();
        println!("  {name:<10} {count:>12} {budget:>12}");
        if count * 100 > budget * (100 + TOLERANCE_PERCENT) {
            over.push(name.as_str());
        }
    }
    match over.as_slice() {
        [] => Ok(()),
        over => bail!(
            "over the budget of {} by more than {TOLERANCE_PERCENT} %: {}; shorten the path, or run \
             `cargo xtask instructions --bless` and say in the commit what it buys",
            budget_file().display(),
            over.join(", ")
        ),
    }
}

fn bless(counted: &BTreeMap<String, u64>) -> anyhow::Result<()> {
    let mut text = String::from(
        "# Machine instructions of the server for one request (a connection each), as the tests build\n\
         # it. `cargo xtask instructions` compares, `--bless` writes this file.\n",
    );
    for (name, count) in counted {
        writeln!(text, "{name} {count}")?;
    }
    print!("{text}");
    std::fs::write(budget_file(), text).context("cannot write the budget")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sum_is_found_among_callgrinds_lines() {
        let text = "version: 1\nevents: Ir\n\nfn=(1) main\n16 400\n\ntotals: 56212529\n";
        assert_eq!(total(text).unwrap(), 56_212_529);
        assert!(total("version: 1\n").is_err());
    }

    #[test]
    fn a_budget_is_a_name_and_a_number() {
        let budgets = read("# a remark\nfresh 100\n\nshared 7\n").unwrap();
        assert_eq!(budgets.get("fresh"), Some(&100));
        assert_eq!(budgets.len(), 2);
        assert!(read("fresh").is_err());
        assert!(read("fresh many").is_err());
    }

    #[test]
    fn every_kind_has_a_budget() {
        let budgets = read(&std::fs::read_to_string(budget_file()).unwrap()).unwrap();
        for kind in KINDS {
            assert!(budgets.contains_key(kind.name), "{}", kind.name);
        }
    }
}
