//! What happens in a child between fork and exec: it becomes the chosen user, and its fate is tied
//! to the thread that made it. The only unsafe code of this module besides sending a signal.
//!
//! Everything that allocates is prepared before the fork. The steps that differ by system are the
//! user namespace and the parent-death signal, both of which only Linux has.

use std::ffi::{CStr, CString};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use tokio::process::Command;

use super::run_as::{Ids, RunAs};

/// Makes the child run as `run_as`, in `dir`, in a session of its own (a Ctrl-C in our terminal is
/// for us; Postgres is told by us), and end when the calling thread does.
///
/// On Linux call this from a thread that outlives the child: the kernel sends the parent-death
/// signal when the *thread* that forked ends, not the process.
///
/// # Errors
/// When `dir` contains a zero byte. What goes wrong in the child is the error of spawning it.
pub(super) fn become_user(command: &mut Command, run_as: RunAs, dir: &Path) -> io::Result<()> {
    let plan = Plan::new(run_as, dir)?;
    // SAFETY: the closure runs between fork and exec in a child of a threaded process, where only
    // async-signal-safe calls are sound. It makes system calls with prepared, owned arguments, and
    // builds errors from the error number alone: no allocation, no lock, no other thread's state.
    #[expect(unsafe_code, reason = "changing the user after fork has no safe form")]
    unsafe {
        command.pre_exec(move || plan.carry_out());
    }
    Ok(())
}

/// All arguments of the calls to come.
struct Plan {
    run_as: RunAs,
    dir: CString,
    uid_map: CString,
    gid_map: CString,
    parent: libc::pid_t,
}

impl Plan {
    fn new(run_as: RunAs, dir: &Path) -> io::Result<Self> {
        let map = |inside: u32, outside: u32| CString::new(format!("{inside} {outside} 1"));
        let (uid_map, gid_map) = match run_as {
            RunAs::Namespace { outside, inside } => {
                (map(inside.uid, outside.uid)?, map(inside.gid, outside.gid)?)
            }
            RunAs::Caller(_) | RunAs::Account(_) => (CString::default(), CString::default()),
        };
        let parent = libc::pid_t::try_from(std::process::id()).map_err(io::Error::other)?;
        Ok(Self {
            run_as,
            dir: CString::new(dir.as_os_str().as_bytes())?,
            uid_map,
            gid_map,
            parent,
        })
    }

    fn carry_out(&self) -> io::Result<()> {
        match self.run_as {
            RunAs::Caller(_) => {}
            RunAs::Account(ids) => set_ids(ids)?,
            RunAs::Namespace { .. } => enter_namespace(&self.uid_map, &self.gid_map)?,
        }
        change_dir(&self.dir)?;
        new_session()?;
        // Last, because a change of user clears it.
        die_with(self.parent)
    }
}

fn check(result: libc::c_int) -> io::Result<()> {
    if result == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

#[expect(
    unsafe_code,
    reason = "the standard library cannot drop supplementary groups"
)]
fn set_ids(ids: Ids) -> io::Result<()> {
    // Groups first: afterwards we may no longer change them, and a left-over group of root would
    // open root's files.
    // SAFETY: a count of 0 makes setgroups read nothing, so the null pointer is never followed; the
    // other two take numbers.
    unsafe {
        check(libc::setgroups(0, std::ptr::null()))?;
        check(libc::setgid(ids.gid))?;
        check(libc::setuid(ids.uid))
    }
}

#[expect(
    unsafe_code,
    reason = "the standard library cannot change the folder after the user"
)]
fn change_dir(dir: &CStr) -> io::Result<()> {
    // SAFETY: `dir` is a valid string with a closing zero, and chdir only reads it.
    unsafe { check(libc::chdir(dir.as_ptr())) }
}

#[expect(unsafe_code, reason = "the standard library has no setsid")]
fn new_session() -> io::Result<()> {
    // SAFETY: setsid takes no arguments and touches no memory.
    if unsafe { libc::setsid() } == -1 {
        Err(io::Error::last_os_error())
    } else {
        Ok(())
    }
}

#[cfg(target_os = "linux")]
#[expect(unsafe_code, reason = "the standard library cannot unshare")]
fn enter_namespace(uid_map: &CStr, gid_map: &CStr) -> io::Result<()> {
    // SAFETY: unshare takes flags; the child has one thread, as CLONE_NEWUSER demands.
    unsafe { check(libc::unshare(libc::CLONE_NEWUSER))? };
    // Denying setgroups is the kernel's condition for mapping a group without privilege.
    write_file(c"/proc/self/setgroups", c"deny")?;
    write_file(c"/proc/self/uid_map", uid_map)?;
    write_file(c"/proc/self/gid_map", gid_map)
}

#[cfg(not(target_os = "linux"))]
fn enter_namespace(_uid_map: &CStr, _gid_map: &CStr) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// `std::fs` allocates for paths, which is not sound here.
#[cfg(target_os = "linux")]
#[expect(
    unsafe_code,
    reason = "writing a file without allocating needs the bare calls"
)]
fn write_file(path: &CStr, content: &CStr) -> io::Result<()> {
    let bytes = content.to_bytes();
    // SAFETY: `path` has a closing zero, `bytes` is valid for its own length, and the descriptor is
    // the one just opened; it is closed by exec at the latest.
    let (descriptor, written) = unsafe {
        let descriptor = libc::open(path.as_ptr(), libc::O_WRONLY | libc::O_CLOEXEC);
        if descriptor == -1 {
            return Err(io::Error::last_os_error());
        }
        (
            descriptor,
            libc::write(descriptor, bytes.as_ptr().cast(), bytes.len()),
        )
    };
    // Read before close can overwrite the error number.
    let result = match usize::try_from(written) {
        Ok(count) if count == bytes.len() => Ok(()),
        Ok(_short) => Err(io::ErrorKind::WriteZero.into()),
        Err(_negative) => Err(io::Error::last_os_error()),
    };
    // SAFETY: `descriptor` is open and ours, and not used afterwards.
    unsafe { libc::close(descriptor) };
    result
}

/// SIGINT is Postgres' fast shutdown: with us gone it writes a checkpoint and leaves cleanly.
#[cfg(target_os = "linux")]
#[expect(unsafe_code, reason = "the standard library has no prctl")]
fn die_with(parent: libc::pid_t) -> io::Result<()> {
    // SAFETY: this option takes one number.
    unsafe { check(libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGINT))? };
    // Had the parent died before the call above, no signal would ever come.
    // SAFETY: getppid takes no arguments and cannot fail.
    if unsafe { libc::getppid() } == parent {
        Ok(())
    } else {
        Err(io::ErrorKind::NotFound.into())
    }
}

/// Elsewhere a shell waits for the end of our pipe; see `wrapper`.
#[cfg(not(target_os = "linux"))]
fn die_with(_parent: libc::pid_t) -> io::Result<()> {
    Ok(())
}
