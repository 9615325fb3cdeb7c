//! Ties Postgres to our life on systems without a parent-death signal.
//!
//! A shell runs the server and, beside it, reads from a pipe that only we hold open. However we end,
//! the kernel closes the pipe, and the reader asks the server for a fast shutdown. Linux has a better
//! way (see `child`) and uses this in a test only.

use std::path::Path;
use std::process::Stdio;

use tokio::process::Command;

/// A shell starts what it runs in the background deaf to SIGINT; Postgres sets its own handler. The
/// pipe moves to descriptor 3 because such a program gets `/dev/null` as its standard input. Nobody writes to the pipe, so `read` returns at its end and not before.
const SCRIPT: &str = r#"
exec 3<&0 </dev/null
"$@" 3<&- &
server=$!
{ read -r _ <&3; kill -INT "$server"; } 2>/dev/null &
watch=$!
exec 3<&-
wait "$server"
status=$?
kill "$watch" 2>/dev/null
exit "$status"
"#;

/// A command that runs `program`, with the arguments added to it, for as long as its own standard
/// input is open. The caller keeps that.
pub(super) fn wrap(program: &Path) -> Command {
    let mut command = Command::new("/bin/sh");
    command
        .args(["-c", SCRIPT, "sh"])
        .arg(program)
        .stdin(Stdio::piped());
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_status_of_the_program_is_passed_on() {
        let mut command = wrap(Path::new("/bin/sh"));
        let mut child = command.args(["-c", "exit 7"]).spawn().unwrap();
        let _held_open = child.stdin.take();
        assert_eq!(child.wait().await.unwrap().code(), Some(7));
    }
}
