//! Takes more than its share: of the processor, of memory, of tasks, of the log.

use std::alloc::{GlobalAlloc, Layout, System};
use std::future::{Future, poll_fn};
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;
use std::time::Duration;

use koyalite::{Request, Response, Result, fetch, log};

use crate::plain;

/// While set, asking for memory never ends. The host asks when it hands a text over.
static TRAP_SET: AtomicBool = AtomicBool::new(false);

pub struct Allocator;

// SAFETY: everything is left to the system's allocator, which keeps the contract.
unsafe impl GlobalAlloc for Allocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        while TRAP_SET.load(Ordering::Relaxed) {
            std::hint::spin_loop();
        }
        // SAFETY: as our caller promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as our caller promises.
        unsafe { System.dealloc(pointer, layout) }
    }
}

/// Spins while the host is in the middle of answering a call: it asks for the room of a text.
pub fn spin_in_callback() -> Result<Response> {
    TRAP_SET.store(true, Ordering::Relaxed);
    let word = koyalite::config::get("word");
    Ok(Response::text(word.unwrap_or_default()))
}

pub async fn sleep() -> Result<Response> {
    loop {
        koyalite::sleep(Duration::from_secs(3600)).await;
    }
}

/// Begins to wait, again and again, and never gives up one of the waits.
pub async fn subtasks() -> Result<Response> {
    loop {
        let mut waiting = Box::pin(koyalite::sleep(Duration::from_secs(3600)));
        poll_fn(|context| {
            let _ = waiting.as_mut().poll(context);
            Poll::Ready(())
        })
        .await;
        std::mem::forget(waiting);
    }
}

/// Goes to the host and back as fast as it can.
pub async fn poll_storm() -> Result<Response> {
    loop {
        koyalite::sleep(Duration::from_nanos(1)).await;
    }
}

/// Answers, and goes on for ever.
pub fn linger() -> Response {
    koyalite::spawn(async {
        loop {
            koyalite::sleep(Duration::from_millis(50)).await;
        }
    });
    Response::text("answered\n")
}

/// Answers, and uses the processor afterwards.
pub fn linger_busy() -> Response {
    koyalite::spawn(async {
        koyalite::sleep(Duration::from_millis(20)).await;
        plain::spin();
    });
    Response::text("answered\n")
}

struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("panicked in drop, as asked");
    }
}

/// Panics while it lets go of what it has, before its answer has left.
pub fn panic_in_drop() -> Result<Response> {
    let _bomb = Bomb;
    Ok(Response::text("never seen\n"))
}

/// The same in a task, after its answer.
pub fn panic_after() -> Response {
    koyalite::spawn(async {
        let _bomb = Bomb;
        koyalite::sleep(Duration::from_millis(20)).await;
    });
    Response::text("answered\n")
}

/// A million lines.
pub fn log_lines() -> Result<Response> {
    for _ in 0..1_000_000 {
        log::write(log::Level::Info, "again");
    }
    Ok(Response::text("logged\n"))
}

unsafe extern "C" {
    /// The C library's, which asks the host each time.
    safe fn getentropy(buffer: &mut [u8; 256], length: usize) -> i32;
}

/// Random bytes of the host's, one call after the other.
pub fn random() -> Result<Response> {
    let mut bytes = [0; 256];
    while getentropy(&mut bytes, 256) == 0 {
        std::hint::black_box(&bytes);
    }
    Ok(Response::text("there are no more\n"))
}

/// Calls its own address, which does the same. Its caller or its configuration says where its server is.
pub async fn call_self(request: &Request) -> Result<Response> {
    let own = request.query("at").or_else(|| koyalite::config::get("own"));
    let address = format!("{}{}", own.unwrap_or_default(), request.uri());
    match fetch::get(&address).send().await {
        Ok(answer) => Ok(Response::status(answer.status())),
        Err(error) => Ok(Response::text(format!("refused: {error}\n")).with_status(502)),
    }
}
