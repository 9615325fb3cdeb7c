//! A template of mail, filled in by values of a guest: what passes the check is never refused for its form,
//! and no value becomes markup, a line of its own in a subject, or a name to be filled in.
#![no_main]

use koyalite_host_api::outbox::email::{is_line, render};
use koyalite_host_api::outbox::template::{self, Escaping, TemplateError};
use libfuzzer_sys::fuzz_target;
use serde_json::json;

/// A value with everything in it that means something elsewhere.
const HOSTILE: &str = "<script>\"'&{{a}}\r\nBcc: x";

fuzz_target!(|text: &str| {
    let values = json!({ "a": HOSTILE, "b": { "c": 1 }, "name": "Ann", "list": [1], "none": null });
    let checked = template::check(text);
    for escaping in [Escaping::Text, Escaping::Html] {
        match template::fill(text, &values, escaping) {
            Ok(_) => assert!(checked.is_ok(), "filled in, and not a template"),
            Err(TemplateError::Open(_) | TemplateError::Name(_)) => assert!(checked.is_err()),
            Err(TemplateError::Missing(_) | TemplateError::NoText(_)) => {}
        }
    }
    if let Ok(filled) = template::fill(text, &values, Escaping::Html) {
        let markup = |text: &str| text.matches('<').count();
        assert_eq!(markup(&filled), markup(text), "a value became markup");
    }
    let plain = template::text_from_html(text);
    assert!(plain.len() <= text.len().saturating_mul(2) + 16);
    if let Ok(filled) = render((text, Some(text), Some(text)), &values) {
        let two = filled.subject.contains(['\r', '\n']);
        assert!(!(two && is_line(&filled.subject)), "a second header");
    }
});
