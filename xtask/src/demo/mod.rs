//! `cargo xtask demo`: from a fresh clone to functions that answer, in one command.
//!
//! It prepares what is missing, builds, starts `koyalite dev`, deploys every example with
//! `koyalite deploy` as a user would, calls each by its URL and shows what came back. Then it stays
//! up until Ctrl-C; with `--exit` it stops by itself. The data stays, so the second run is quick.
//! `stories` says what is called and why.

mod stories;

use std::path::PathBuf;

use anyhow::bail;

use crate::server::Server;
use crate::{guests, host, paths, postgres, signals, stopwatch, stopwatch::Stopwatch};

const USAGE: &str = "usage: cargo xtask demo [--exit] [--data-dir FOLDER]";

/// What happens after the last story.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Afterwards {
    StayUp,
    Exit,
}

#[derive(Debug, PartialEq, Eq)]
struct Options {
    afterwards: Afterwards,
    data: PathBuf,
}

impl Options {
    fn parse(arguments: &[String]) -> anyhow::Result<Self> {
        let mut options = Self {
            afterwards: Afterwards::StayUp,
            data: paths::root().join(".koyalite"),
        };
        let mut words = arguments.iter();
        while let Some(word) = words.next() {
            match (word.as_str(), word.strip_prefix("--data-dir=")) {
                ("--exit", _) => options.afterwards = Afterwards::Exit,
                ("--data-dir", _) => match words.next() {
                    Some(folder) => options.data = std::path::absolute(folder)?,
                    None => bail!("--data-dir needs a folder; {USAGE}"),
                },
                (_, Some(folder)) => options.data = std::path::absolute(folder)?,
                (other, None) => bail!("what is `{other}`? {USAGE}"),
            }
        }
        Ok(options)
    }
}

/// Shows everything there is to show.
pub(crate) fn run(arguments: &[String]) -> anyhow::Result<()> {
    let options = Options::parse(arguments)?;
    let mut watch = Stopwatch::start();
    watch.step("build the example functions", || guests::run(&[]))?;
    let program = watch.step("build the koyalite program", host::build)?;
    if !postgres::is_there() {
        watch.step("install Postgres", || {
            postgres::install(postgres::Need::ForDev)
        })?;
    }
    signals::listen();
    let mut server = watch.step("start koyalite dev", || {
        Server::start(&program, &options.data)
    })?;
    let shown = show(&mut server, &mut watch, options.afterwards);
    let stopped = server.stop();
    if signals::asked_to_stop() {
        println!("stopped; the data stays in {}", options.data.display());
        return stopped;
    }
    if shown.is_err() {
        eprintln!("{}\n", server.last_words());
    }
    shown.and(stopped)
}

fn show(server: &mut Server, watch: &mut Stopwatch, then: Afterwards) -> anyhow::Result<()> {
    for example in stories::examples()? {
        if stories::is_built(&example)? {
            watch.step(&example, || stories::tell(server, &example))?;
        } else {
            println!("{example} is skipped: there is no Node on this machine to build it with\n");
        }
    }
    println!("{}", stopwatch::bold("What took how long"));
    watch.print_table();
    print_places(server);
    match then {
        Afterwards::Exit => {
            println!("All of it answered. Without --exit it stays up.");
            Ok(())
        }
        Afterwards::StayUp => {
            print_next(server);
            server.wait()
        }
    }
}

fn print_places(server: &Server) {
    println!("{}", stopwatch::bold("Where it is"));
    println!("  functions  {}/f/demo/NAME", server.functions);
    println!("  control    {}", server.control);
    println!("  token      {}", server.token_file().display());
    println!("  log        {}\n", server.log_file().display());
}

fn print_next(server: &Server) {
    let (functions, control) = (&server.functions, &server.control);
    let program = server.program().display();
    println!("{}", stopwatch::bold("Try next"));
    println!(
        "  export KOYALITE_TOKEN=$(cat {})",
        server.token_file().display()
    );
    println!("  export KOYALITE_CONTROL_URL={control}");
    println!("  curl '{functions}/f/demo/hello?name=you'");
    println!("  curl -T target/guests/hello.wasm -H \"Authorization: Bearer $KOYALITE_TOKEN\" \\");
    println!("    {control}/v1/projects/demo/functions/hello");
    println!("  {program} invoke todo --as {}", stories::FIRST_USER);
    println!("  {program} logs -f ticker\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(words: &[&str]) -> anyhow::Result<Options> {
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        Options::parse(&words)
    }

    #[test]
    fn the_arguments_are_few_and_a_wrong_one_is_named() {
        let plain = parse(&[]).unwrap();
        assert_eq!(plain.afterwards, Afterwards::StayUp);
        assert!(plain.data.ends_with(".koyalite"));
        let machine = parse(&["--exit", "--data-dir", "/d"]).unwrap();
        assert_eq!(
            (machine.afterwards, machine.data),
            (Afterwards::Exit, "/d".into())
        );
        assert_eq!(parse(&["--data-dir=/d"]).unwrap().data, PathBuf::from("/d"));
        let wrong = parse(&["--quit"]).unwrap_err().to_string();
        assert!(
            wrong.contains("--quit") && wrong.contains("usage"),
            "{wrong}"
        );
        assert!(parse(&["--data-dir"]).is_err());
    }
}
