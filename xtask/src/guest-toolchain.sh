#!/usr/bin/env bash
# Makes a Rust toolchain called "guest" that builds wasm32-wasip2, on a Debian machine where
# `rustup target add` cannot download anything. `cargo xtask guests` calls it when it must.
#
#   guest-toolchain.sh FOLDER      afterwards: cargo +guest build --release --target wasm32-wasip2
#
# Debian ships a recent compiler together with the sources of its standard library (rustc-web,
# rust-web-src). The library is compiled from them once and laid out in FOLDER the way rustup would
# have done it; two small wrappers there point Debian's compiler at it. The linkers come from the
# rustup toolchain, which carries them for every target. Nothing under /usr is changed but by apt.
#
# Lines that begin with "step: " tell the caller what takes the time now.
set -euo pipefail

folder=$1
sources=$(cd "$(dirname "$0")" && pwd)
target=wasm32-wasip2
packages=(rustc-web cargo-web rust-web-src wasi-libc)
rustc=/usr/bin/rustc
cargo=/usr/bin/cargo

stop() {
    echo "guest-toolchain: $1" >&2
    exit 1
}

install_packages() {
    dpkg-query -W -f '${Status}\n' "${packages[@]}" 2>/dev/null |
        grep -c '^install ok installed$' | grep -qx "${#packages[@]}" && return
    command -v apt-get >/dev/null || stop "needs Debian's apt-get, or a network where 'rustup target add $target' works"
    [ "$(id -u)" = 0 ] || stop "run as root once, or: apt-get install ${packages[*]}"
    echo "step: installing Debian's compiler (${packages[*]})"
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -q
    apt-get install -yq --no-install-recommends -o DPkg::Lock::Timeout=300 "${packages[@]}"
}

# What was built is known by the compiler that built it and by our own two source files.
stamp_of() {
    "$rustc" -vV | sed -n 's/^commit-hash: //p'
    sha256sum "$sources/guest-toolchain.sh" "$sources/libc_gaps.rs" | cut -d' ' -f1
}

link_rustup() {
    rustup toolchain link guest "$folder"
}

build_std() {
    local library build=$1
    library=$("$rustc" --print sysroot)/lib/rustlib/src/rust/library/sysroot
    [ -f "$library/Cargo.toml" ] || stop "rust-web-src has no library sources in $library"
    echo "step: compiling the standard library for $target (under a minute)"
    # The crates that std itself uses come from the registry, at the hashes in the library's own
    # lock file. Embedded bitcode is what allows `lto = true` in a guest.
    (
        cd "$library"
        RUSTC_BOOTSTRAP=1 RUSTC=$rustc \
            CARGO_ENCODED_RUSTFLAGS=$'-Zforce-unstable-if-unmarked\x1f-Cembed-bitcode=yes' \
            "$cargo" build --release --locked --target "$target" --target-dir "$build"
    )
}

lay_out() {
    local build=$1 new=$2 host debian linkers lib tool
    host=$("$rustc" -vV | sed -n 's/^host: //p')
    debian=$("$rustc" --print sysroot)/lib/rustlib
    # From / so that no rust-toolchain file of a project decides.
    linkers=$(cd / && RUSTUP_TOOLCHAIN='' rustc --print sysroot)/lib/rustlib/$host/bin
    for tool in rust-lld wasm-component-ld; do
        [ -x "$linkers/$tool" ] || stop "no $tool in $linkers: install Rust by rustup"
    done

    lib=$new/lib/rustlib/$target/lib
    mkdir -p "$new/bin" "$lib/self-contained" "$new/lib/rustlib/$host"
    ln -s "$debian/$host/lib" "$new/lib/rustlib/$host/lib"
    # A link to the folder, not a copy: rust-lld finds its LLVM relative to itself.
    ln -s "$linkers" "$new/lib/rustlib/$host/bin"
    ln -s "$cargo" "$new/bin/cargo"
    printf '#!/bin/sh\nexec %s --sysroot "%s" "$@"\n' "$rustc" "$folder" >"$new/bin/rustc"
    printf '#!/bin/sh\nexec /usr/bin/rustdoc --sysroot "%s" "$@"\n' "$folder" >"$new/bin/rustdoc"
    chmod +x "$new/bin/rustc" "$new/bin/rustdoc"

    cp "$build/$target/release/deps/"*.rlib "$lib/"
    # The crate that only gathers the others is not part of a toolchain.
    rm "$lib"/libsysroot-*.rlib
    cp /usr/lib/wasm32-wasi/{crt1-command.o,crt1-reactor.o,libc.a} "$lib/self-contained/"
}

# Debian's C library is older than what std expects of it; the few missing functions are ours.
fill_libc() {
    local build=$1 sysroot=$2
    "$rustc" --sysroot "$sysroot" --edition 2024 --target "$target" --crate-type lib --emit obj \
        -Cpanic=abort -Copt-level=s -Ccodegen-units=1 \
        -o "$build/libc_gaps.o" "$sources/libc_gaps.rs"
    ar q "$sysroot/lib/rustlib/$target/lib/self-contained/libc.a" "$build/libc_gaps.o"
}

mkdir -p "$(dirname "$folder")"
# Two builds at once must not tread on each other.
exec 9>"$folder.lock"
flock 9

install_packages
if [ "$(cat "$folder/stamp" 2>/dev/null)" != "$(stamp_of)" ]; then
    work=$(mktemp -d "$folder.XXXXXX")
    trap 'rm -rf "$work"' EXIT
    build_std "$work/build"
    echo "step: laying out the toolchain"
    lay_out "$work/build" "$work/new"
    fill_libc "$work/build" "$work/new"
    stamp_of >"$work/new/stamp"
    rm -rf "$folder"
    mv "$work/new" "$folder"
fi
link_rustup
