//! Functions of the C library that the standard library's wasm32-wasip2 port links to and that
//! Debian's wasi-libc of 2022 does not have: sockets, threads, permissions, realpath.
//!
//! Every one of them fails, so a guest that calls it sees an `io::Error` (unsupported) where it
//! would otherwise not link at all. A guest speaks to the network through `wasi:http`.

use core::ffi::{c_char, c_int, c_void};

type Pointer = *mut c_void;

/// wasi-libc's number for "not supported".
const ENOTSUP: c_int = 58;
/// What getaddrinfo answers when a name cannot be resolved, ever.
const EAI_FAIL: c_int = -4;

unsafe extern "C" {
    #[link_name = "errno"]
    static mut ERRNO: c_int;
}

fn not_supported() -> c_int {
    unsafe { ERRNO = ENOTSUP };
    -1
}

/// Defines C functions that do nothing but answer one value.
macro_rules! stubs {
    ($answer:expr => $($name:ident($($argument:ty),*))+) => {
        $(
            #[unsafe(no_mangle)]
            pub extern "C" fn $name($(_: $argument),*) -> c_int {
                $answer
            }
        )+
    };
}

stubs! { not_supported() =>
    socket(c_int, c_int, c_int)
    bind(c_int, Pointer, u32)
    listen(c_int, c_int)
    connect(c_int, Pointer, u32)
    getsockname(c_int, Pointer, Pointer)
    getpeername(c_int, Pointer, Pointer)
    setsockopt(c_int, c_int, c_int, Pointer, u32)
    sendto(c_int, Pointer, usize, c_int, Pointer, u32)
    recvfrom(c_int, Pointer, usize, c_int, Pointer, Pointer)
    chmod(Pointer, u32)
    fchmod(c_int, u32)
}

// std asserts that preparing a thread's attributes succeeds; only starting the thread may fail.
stubs! { 0 =>
    pthread_attr_init(Pointer)
    pthread_attr_setstacksize(Pointer, usize)
    pthread_attr_destroy(Pointer)
}

// These return their error instead of setting errno.
stubs! { ENOTSUP =>
    pthread_create(Pointer, Pointer, Pointer, Pointer)
    pthread_join(Pointer, Pointer)
    pthread_detach(Pointer)
}

stubs! { EAI_FAIL =>
    getaddrinfo(Pointer, Pointer, Pointer, Pointer)
}

#[unsafe(no_mangle)]
pub extern "C" fn freeaddrinfo(_: Pointer) {}

#[unsafe(no_mangle)]
pub extern "C" fn gai_strerror(_: c_int) -> *const c_char {
    c"names cannot be resolved here".as_ptr()
}

#[unsafe(no_mangle)]
pub extern "C" fn realpath(_: Pointer, _: Pointer) -> Pointer {
    not_supported();
    core::ptr::null_mut()
}
