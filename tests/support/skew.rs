//! A process whose clock is wrong: a library put in front of the system's, which shifts what it says of
//! the time of day. The product has no such seam, so nothing of it can be left out by mistake.

use std::process::Command;
use std::sync::OnceLock;

use super::guests::root;
use super::launch::Launch;

/// Only the time of day is shifted; the clocks that count up stay as they are.
const SOURCE: &str = r#"
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <sys/time.h>
#include <time.h>
static long skew(void) { const char *s = getenv("SKEW_S"); return s ? atol(s) : 0; }
int clock_gettime(clockid_t id, struct timespec *now) {
    static int (*real)(clockid_t, struct timespec *);
    if (!real) real = dlsym(RTLD_NEXT, "clock_gettime");
    int failed = real(id, now);
    if (!failed && (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE)) now->tv_sec += skew();
    return failed;
}
int gettimeofday(struct timeval *now, void *zone) {
    struct timespec exact;
    int failed = clock_gettime(CLOCK_REALTIME, &exact);
    now->tv_sec = exact.tv_sec;
    now->tv_usec = exact.tv_nsec / 1000;
    return failed;
}
time_t time(time_t *now) {
    struct timespec exact;
    clock_gettime(CLOCK_REALTIME, &exact);
    if (now) *now = exact.tv_sec;
    return exact.tv_sec;
}
"#;

/// The same node with a clock that is so many seconds ahead.
pub(crate) fn skewed(launch: Launch, seconds: i64) -> Launch {
    static LIBRARY: OnceLock<String> = OnceLock::new();
    let library = LIBRARY.get_or_init(|| {
        let folder = root().join("target/tests");
        std::fs::create_dir_all(&folder).unwrap();
        let (source, library) = (folder.join("skew.c"), folder.join("skew.so"));
        std::fs::write(&source, SOURCE).unwrap();
        // Whoever can link Rust has a C compiler.
        let mut compiler = Command::new("cc");
        compiler
            .args(["-shared", "-fPIC", "-O1", "-o"])
            .arg(&library)
            .arg(&source)
            .arg("-ldl");
        assert!(
            compiler.status().unwrap().success(),
            "the C compiler failed"
        );
        library.display().to_string()
    });
    launch
        .set("LD_PRELOAD", library)
        .set("SKEW_S", &seconds.to_string())
}
