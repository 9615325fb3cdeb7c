//! What the ring promises: only the same key in the same place opens a value.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use proptest::prelude::*;

use super::*;

const PLACE: Context<'_> = Context {
    table: "secrets",
    row: "17",
    column: "value",
};

fn ring() -> KeyRing {
    KeyRing {
        active: RootKey::random(),
        file: PathBuf::new(),
        older: Vec::new(),
    }
}

#[test]
fn a_ring_survives_its_file_and_its_rotation() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keys.json");
    let made = KeyRing::create(&path).unwrap();
    assert_eq!(
        fs::metadata(&path).unwrap().permissions().mode() & 0o777,
        0o600
    );
    let sealed = made.seal(b"old", &PLACE).unwrap();
    let control = made.derive(Purpose::ControlToken);

    let rotated = KeyRing::open(&path).unwrap().rotate(&path).unwrap();
    let read = KeyRing::open(&path).unwrap();
    assert_eq!(read.active_id(), rotated.active_id());
    assert_ne!(read.active_id(), made.active_id());
    assert_eq!(read.unseal(&sealed, &PLACE).unwrap().as_slice(), b"old");
    let older = &read.derive_all(Purpose::ControlToken)[1];
    assert_eq!(
        (older.0, older.1.expose()),
        (made.active_id(), control.expose())
    );

    let newer = read.seal(b"new", &PLACE).unwrap();
    assert!(matches!(
        made.unseal(&newer, &PLACE),
        Err(RingError::UnknownKey { .. })
    ));
}

#[test]
fn creating_never_overwrites_and_opening_or_creating_agrees() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keys.json");
    let first = KeyRing::open_or_create(&path).unwrap();
    assert!(matches!(
        KeyRing::create(&path),
        Err(RingError::File(FileError::Exists { .. }))
    ));
    assert_eq!(
        KeyRing::open_or_create(&path).unwrap().active_id(),
        first.active_id()
    );
}

#[test]
fn a_ring_that_others_can_read_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keys.json");
    KeyRing::create(&path).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    let message = KeyRing::open(&path).unwrap_err().to_string();
    assert!(message.contains("chmod 600"), "{message}");
}

#[test]
fn a_damaged_ring_is_refused_without_repeating_it() {
    let good = ring().to_text();
    let key = serde_json::from_str::<RingFile>(&good)
        .unwrap()
        .keys
        .remove(0)
        .key;
    for text in [
        String::new(),
        "{}".to_owned(),
        good.replace("\"version\": 1", "\"version\": 2"),
        good.replace("\"active\": \"", "\"active\": \"0"),
        good.replace(&key, "AAAA"),
        good.replace(&key, &format!("{key}{key}")),
        good.replace("\"keys\"", "\"key\""),
    ] {
        let reason = KeyRing::from_text(&text, Path::new("keys.json")).unwrap_err();
        assert!(!reason.contains(&key), "{reason}");
    }
}

#[test]
fn nothing_secret_is_printed() {
    let ring = ring();
    let sealed = ring.seal(b"s", &PLACE).unwrap();
    assert_eq!(
        format!("{sealed:?}"),
        format!("Sealed({} bytes)", 1 + 4 + 24 + 1 + 16)
    );
    let root = hex::encode(ring.active.root.expose());
    assert!(!format!("{ring:?}").contains(&root[..8]));
}

#[test]
fn purposes_have_keys_of_their_own() {
    let ring = ring();
    let all = [
        Purpose::ControlToken,
        Purpose::CompiledCode,
        Purpose::CronTrigger,
    ];
    let keys: Vec<_> = all
        .iter()
        .map(|purpose| *ring.derive(*purpose).expose())
        .collect();
    assert!(keys[0] != keys[1] && keys[1] != keys[2] && keys[0] != keys[2]);
    assert!(keys.iter().all(|key| key != ring.active.sealing.expose()));
}

proptest! {
    #[test]
    fn what_is_sealed_opens_in_its_place(
        text in proptest::collection::vec(any::<u8>(), 0..200),
        (table, row, column) in any::<(String, String, String)>(),
    ) {
        let ring = ring();
        let place = Context { table: &table, row: &row, column: &column };
        let sealed = ring.seal(&text, &place).unwrap();
        let stored = Sealed::from_bytes(sealed.clone().into_bytes());
        let opened = ring.unseal(&stored, &place).unwrap();
        prop_assert_eq!(opened.as_slice(), text.as_slice());
        prop_assert_ne!(ring.seal(&text, &place).unwrap(), sealed, "nonces are never reused");
    }

    #[test]
    fn no_flipped_bit_opens(text in proptest::collection::vec(any::<u8>(), 0..40), at: prop::sample::Index, bit in 0..8u8) {
        let ring = ring();
        let mut bytes = ring.seal(&text, &PLACE).unwrap().into_bytes();
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        prop_assert!(ring.unseal(&Sealed::from_bytes(bytes), &PLACE).is_err());
    }

    #[test]
    fn no_other_place_opens(places in any::<[(String, String, String); 2]>(), cut in 0..9usize) {
        let [(table, row, column), (table2, row2, column2)] = &places;
        let ring = ring();
        let here = Context { table, row, column };
        let sealed = ring.seal(b"x", &here).unwrap();
        let there = Context { table: table2, row: row2, column: column2 };
        prop_assert_eq!(ring.unseal(&sealed, &there).is_ok(), here == there);
        // A character moved over the border between two parts is another place too.
        let joined = format!("{row}{column}");
        if let Some((row, column)) = joined.split_at_checked(cut) {
            let slid = Context { table, row, column };
            prop_assert_eq!(ring.unseal(&sealed, &slid).is_ok(), here == slid);
        }
    }

    #[test]
    fn arbitrary_bytes_never_open_and_never_panic(bytes: Vec<u8>) {
        prop_assert!(ring().unseal(&Sealed::from_bytes(bytes), &PLACE).is_err());
    }

    #[test]
    fn arbitrary_text_is_never_a_ring_and_never_panics(text: String) {
        prop_assert!(KeyRing::from_text(&text, Path::new("keys.json")).is_err());
    }
}
