//! Answers requests, but needs two interfaces that no host has, and one function that ours has
//! not: `koyalite:host` with a newer `config`.

use exports::wasi::http::incoming_handler::Guest;
use wasi::http::types::{Fields, IncomingRequest, OutgoingResponse, ResponseOutparam};

wit_bindgen::generate!({
    inline: "
        package example:needy;
        interface weather {
            forecast: func(place: string) -> string;
        }
        interface tides {
            next: func() -> u64;
        }
        world needy {
            import weather;
            import tides;
            import koyalite:host/telepathy@0.1.0;
            export wasi:http/incoming-handler@0.2.3;
        }
        package koyalite:host@0.1.0 {
            interface telepathy {
                guess: func() -> string;
            }
        }
    ",
    path: "../../../wit/wasi/http-0.2.wit",
    generate_all,
});

struct Needy;

impl Guest for Needy {
    fn handle(_request: IncomingRequest, out: ResponseOutparam) {
        let found = example::needy::weather::forecast("here");
        let tide = example::needy::tides::next();
        let guess = koyalite::host::telepathy::guess();
        println!("{found} {tide} {guess}");
        ResponseOutparam::set(out, Ok(OutgoingResponse::new(Fields::new())));
    }
}

export!(Needy);
