//! DKIM signatures, verified as a receiver does: written again here, from RFC 6376.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rsa::pkcs1v15::{Signature, VerifyingKey};
use rsa::pkcs8::DecodePublicKey as _;
use rsa::signature::Verifier as _;
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use super::tests::{message, ring};
use super::*;
use crate::keys::{Context, DkimAlgorithm, DkimKey};
use crate::registry::mail::due::Signing;

/// Whitespace runs become one blank, none at the ends.
fn relaxed(text: &str) -> String {
    text.split_ascii_whitespace().collect::<Vec<_>>().join(" ")
}

fn relaxed_body(body: &str) -> String {
    let lines = body.split("\r\n").map(|line| {
        let inner = line.trim_end_matches([' ', '\t']);
        let mut out = String::new();
        for c in inner.chars() {
            let blank = c == ' ' || c == '\t';
            match blank && out.ends_with(' ') {
                true => {}
                false => out.push(if blank { ' ' } else { c }),
            }
        }
        out
    });
    let text = lines.collect::<Vec<_>>().join("\r\n");
    format!("{}\r\n", text.trim_end_matches("\r\n"))
}

fn header_of<'a>(headers: &'a [(String, String)], name: &str) -> Option<&'a (String, String)> {
    headers
        .iter()
        .rev()
        .find(|(known, _)| known.eq_ignore_ascii_case(name))
}

/// Whether a message is signed by the key of that record, as the text stands.
fn verifies(text: &str, record: &str) -> bool {
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    let unfolded = head.replace("\r\n ", " ").replace("\r\n\t", " ");
    let headers: Vec<(String, String)> = unfolded
        .split("\r\n")
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    let (_, signature) = header_of(&headers, "DKIM-Signature").unwrap();
    let tag = |wanted: &str| {
        let mut tags = signature
            .split(';')
            .filter_map(|tag| tag.trim().split_once('='));
        let found = tags.find(|(name, _)| *name == wanted);
        found.map(|(_, value)| value.replace(' ', "")).unwrap()
    };
    assert_eq!(
        (tag("c"), tag("d"), tag("s")),
        ("relaxed/relaxed".into(), "shop.example".into(), "k1".into())
    );
    if tag("bh") != STANDARD.encode(Sha256::digest(relaxed_body(body).as_bytes())) {
        return false;
    }
    let mut signed = String::new();
    for name in tag("h").split(':') {
        let (name, value) = header_of(&headers, name).unwrap();
        signed.push_str(&format!(
            "{}:{}\r\n",
            name.to_ascii_lowercase(),
            relaxed(value)
        ));
    }
    let bare = signature.rsplit_once("b=").unwrap().0;
    signed.push_str(&format!("dkim-signature:{}", relaxed(&format!("{bare}b="))));
    let written = STANDARD.decode(tag("b")).unwrap();
    let public = STANDARD
        .decode(record.rsplit_once("p=").unwrap().1)
        .unwrap();
    match tag("a").as_str() {
        "rsa-sha256" => {
            let public = rsa::RsaPublicKey::from_public_key_der(&public).unwrap();
            let signature = Signature::try_from(written.as_slice()).unwrap();
            let key = VerifyingKey::<rsa::sha2::Sha256>::new(public);
            key.verify(signed.as_bytes(), &signature).is_ok()
        }
        "ed25519-sha256" => {
            let public =
                ed25519_dalek::VerifyingKey::from_bytes(public.as_slice().try_into().unwrap());
            let signature = ed25519_dalek::Signature::from_slice(&written).unwrap();
            public
                .unwrap()
                .verify_strict(&Sha256::digest(signed.as_bytes()), &signature)
                .is_ok()
        }
        other => panic!("{other}"),
    }
}

#[test]
fn a_receiver_verifies_what_was_signed_and_nothing_that_was_altered() {
    let ring = ring();
    let sender = Uuid::now_v7();
    for algorithm in [DkimAlgorithm::Rsa, DkimAlgorithm::Ed25519] {
        let key = DkimKey::random(algorithm).unwrap();
        let row = sender.to_string();
        let place = Context {
            table: "email_senders",
            row: &row,
            column: "dkim_key",
        };
        let signing = Signing {
            sender,
            selector: "k1".to_owned(),
            algorithm: algorithm.as_str().to_owned(),
            key: ring.seal(key.expose(), &place).unwrap().into_bytes(),
        };
        assert!(!format!("{signing:?}").contains("key:"));
        for html in [None, Some("<p>Grüße  \t an alle</p>\n\n")] {
            let signing = Signing {
                key: signing.key.clone(),
                selector: signing.selector.clone(),
                algorithm: signing.algorithm.clone(),
                ..signing
            };
            let long = "Grüße, und eine lange Zeile, die umgebrochen werden muss, damit sie passt"
                .repeat(3);
            let mut message = message(&long, html);
            message.dkim = Some(signing);
            let text = String::from_utf8(compose(&message, &[], &ring).unwrap().bytes).unwrap();
            assert!(verifies(&text, &key.record()), "{algorithm:?}\n{text}");
            for (what, other) in [
                ("ann@example.com", "bob@example.com"),
                ("shop@shop.example", "boss@shop.example"),
                ("\r\n\r\n", "\r\n\r\nmore\r\n"),
            ] {
                let altered = text.replacen(what, other, 1);
                assert_ne!(altered, text, "{what}");
                assert!(!verifies(&altered, &key.record()), "{what}");
            }
        }
    }
}

#[test]
fn a_key_that_does_not_open_sends_nothing_unsigned() {
    let mut message = message("Hi", None);
    message.dkim = Some(Signing {
        sender: Uuid::nil(),
        selector: "k1".to_owned(),
        algorithm: "ed25519-sha256".to_owned(),
        key: vec![1, 2, 3],
    });
    assert!(
        compose(&message, &[], &ring())
            .unwrap_err()
            .contains("DKIM")
    );
}

#[test]
fn bounces_find_their_way_back() {
    let mut message = message("Hi", None);
    message.return_path = Some("bounces@shop.example".to_owned());
    let envelope = compose(&message, &[], &ring()).unwrap().envelope;
    let expected = "bounces+00000000000000000000000000000000@shop.example";
    assert_eq!(envelope.from().unwrap().to_string(), expected);
}
