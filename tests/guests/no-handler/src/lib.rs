//! A sound component that is no function: it exports something of its own.

wit_bindgen::generate!({
    inline: "
        package example:library;
        interface arithmetic {
            add: func(a: u32, b: u32) -> u32;
        }
        world library {
            export arithmetic;
        }
    ",
});

struct Library;

impl exports::example::library::arithmetic::Guest for Library {
    fn add(a: u32, b: u32) -> u32 {
        a.wrapping_add(b)
    }
}

export!(Library);
