use proptest::prelude::*;
use wasmtime::{Config, Engine, Instance, Module, Store};

use super::*;
use crate::engine::limits::ROOM_PAGES;

fn engine() -> Engine {
    let mut config = Config::new();
    config.wasm_multi_memory(true).wasm_memory64(true);
    Engine::new(&config).unwrap()
}

fn wasm(text: &str) -> Vec<u8> {
    wat::parse_str(text).unwrap()
}

/// A component around modules.
fn component(modules: &[&str]) -> Vec<u8> {
    let modules: String = modules
        .iter()
        .map(|module| format!("(core {}", &module[1..]))
        .collect();
    wasm(&format!("(component {modules})"))
}

/// A module with a memory, around what else it has.
fn grower(memory: &str, rest: &str) -> String {
    format!(
        "(module {rest} (memory (export \"memory\") {memory})
           (func (export \"grow\") (param i32) (result i32) (memory.grow (local.get 0)))
           (func (export \"size\") (result i32) memory.size))"
    )
}

/// What a guest hears when it grows by so many pages, one after the other, and the size at last.
fn heard(module: &[u8], by: &[u32]) -> (Vec<i32>, i32) {
    let engine = engine();
    let mut store = Store::new(&engine, ());
    let module = Module::new(&engine, module).unwrap();
    let instance = Instance::new(&mut store, &module, &[]).unwrap();
    let grow = instance
        .get_typed_func::<u32, i32>(&mut store, "grow")
        .unwrap();
    let size = instance
        .get_typed_func::<(), i32>(&mut store, "size")
        .unwrap();
    let answers = by
        .iter()
        .map(|by| grow.call(&mut store, *by).unwrap())
        .collect();
    (answers, size.call(&mut store, ()).unwrap())
}

/// Pages that a module's memory starts with.
fn pages(module: &[u8]) -> u64 {
    let engine = engine();
    let mut store = Store::new(&engine, ());
    let module = Module::new(&engine, module).unwrap();
    let instance = Instance::new(&mut store, &module, &[]).unwrap();
    instance
        .get_memory(&mut store, "memory")
        .unwrap()
        .size(&store)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_guest_hears_what_it_would_have_heard(
        initial in 0_u32..20,
        more in proptest::option::of(0_u32..40),
        by in proptest::collection::vec(prop_oneof![0_u32..12, Just(65_536), any::<u32>()], 0..12),
        has_global in any::<bool>(),
    ) {
        let most = more.map_or(String::new(), |more| (initial + more).to_string());
        let rest = if has_global { "(global i32 (i32.const 7))" } else { "" };
        let module = wasm(&grower(&format!("{initial} {most}"), rest));
        let roomy = module::with_room(&module).unwrap();
        prop_assert_eq!(heard(&module, &by), heard(&roomy, &by));
        let room = ROOM_PAGES.min(more.unwrap_or(ROOM_PAGES));
        prop_assert_eq!(pages(&roomy), u64::from(initial + room));
    }
}

#[test]
fn whatever_else_a_module_has_stays_as_it_was() {
    let text = grower(
        "1",
        "(import \"env\" \"told\" (func $told (param i32)))
         (import \"env\" \"base\" (global $base i32))
         (table 2 funcref) (global $count (mut i32) (i32.const 40))
         (elem (i32.const 0) $next) (data (i32.const 8) \"\\05\")
         (start $begin)
         (func $begin (call $told (i32.load8_u (i32.const 8))))
         (func $next (export \"next\") (result i32)
           (global.set $count (i32.add (global.get $count) (global.get $base)))
           (drop (memory.grow (i32.const 1)))
           (i32.add (global.get $count) (memory.size)))
         (func (export \"indirect\") (result i32) (call_indirect (result i32) (i32.const 0)))",
    );
    for module in [wasm(&text), module::with_room(&wasm(&text)).unwrap()] {
        let engine = engine();
        let mut store = Store::new(&engine, Vec::new());
        let mut linker = wasmtime::Linker::new(&engine);
        let told =
            |mut caller: wasmtime::Caller<'_, Vec<i32>>, what: i32| caller.data_mut().push(what);
        linker.func_wrap("env", "told", told).unwrap();
        let kind = wasmtime::GlobalType::new(wasmtime::ValType::I32, wasmtime::Mutability::Const);
        let base = wasmtime::Global::new(&mut store, kind, 2.into()).unwrap();
        linker.define(&store, "env", "base", base).unwrap();
        let module = Module::new(&engine, module).unwrap();
        let instance = linker.instantiate(&mut store, &module).unwrap();
        assert_eq!(*store.data(), [5]);
        for (name, said) in [("next", 42 + 2), ("indirect", 44 + 3)] {
            let function = instance
                .get_typed_func::<(), i32>(&mut store, name)
                .unwrap();
            assert_eq!(function.call(&mut store, ()).unwrap(), said, "{name}");
        }
    }
}

#[test]
fn only_a_memory_that_its_own_module_grows_gets_room() {
    let grows = grower("1", "");
    let quiet = "(module (memory 1) (func (result i32) memory.size))";
    let borrows =
        "(module (import \"env\" \"memory\" (memory 1)) (func (drop (i32.load (i32.const 0)))))";
    let borrows_and = |what: &str| {
        format!("(module (import \"env\" \"memory\" (memory 1)) (func (drop {what})))")
    };
    let (asks, stretches) = (
        borrows_and("(memory.size)"),
        borrows_and("(memory.grow (i32.const 1))"),
    );
    for (modules, has_room) in [
        (vec![grows.as_str()], true),
        (vec![&grows, quiet, borrows], true),
        (vec![quiet, borrows], false),
        (vec![&grows, &asks], false),
        (vec![&grows, &stretches], false),
        (
            vec!["(module (memory 1 1) (func (drop (memory.grow (i32.const 1)))))"],
            false,
        ),
        (
            vec!["(module (memory i64 1) (func (drop (memory.grow (i64.const 1)))))"],
            false,
        ),
        (
            vec!["(module (memory 1 9 shared) (func (drop (memory.grow (i32.const 1)))))"],
            false,
        ),
        (
            vec!["(module (memory 1) (memory 1) (func (drop (memory.grow (i32.const 1)))))"],
            false,
        ),
        (vec![], false),
    ] {
        assert_eq!(
            with_room(&component(&modules)).is_some(),
            has_room,
            "{modules:?}"
        );
    }
}

#[test]
fn a_component_in_a_component_gets_room_and_is_valid() {
    let text = format!(
        "(component (component (core {}) (core module (memory 1)))",
        &grower("1", "")[1..]
    );
    let roomy = with_room(&wasm(&text)).unwrap();
    let mut validator = Validator::new_with_features(WasmFeatures::all());
    validator.validate_all(&roomy).unwrap();
    // Of the module inside: nothing is left to do twice.
    assert_eq!(with_room(&wasm(&text)), Some(roomy));
}

/// Else a guest could name what is only added here: the first new global is its number 0.
#[test]
fn what_is_not_valid_is_left_to_be_refused() {
    let named = "(module (memory 1) (func (drop (memory.grow (i32.const 1))) (global.set 0 (i32.const 9))))";
    let bytes = component(&[named]);
    assert_eq!(with_room(&bytes), None);
    for bytes in [
        &b""[..],
        b"\0asm",
        b"\0asm\x0d\0\x01\0\x01\xff\xff\xff\xff\x0f",
    ] {
        assert_eq!(with_room(bytes), None);
    }
}
