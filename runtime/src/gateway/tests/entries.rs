//! A project as a snapshot has it, with a few functions.

use std::collections::BTreeMap;

use koyalite_host_api::db::{DatabaseAccess, Mirror, Password};
use koyalite_policy::Schema;

use super::*;
use crate::registry::manifest::{Manifest, Verify};
use crate::registry::{FunctionEntry, Handler, Secret, VersionEntry};

fn version(name: &str, number: u32, change: impl FnOnce(&mut Manifest)) -> Arc<VersionEntry> {
    let mut manifest = Manifest::default_for(&name.parse().unwrap());
    change(&mut manifest);
    Arc::new(VersionEntry {
        id: Uuid::now_v7(),
        function_id: Uuid::now_v7(),
        number,
        sha256: String::new(),
        config: None,
        manifest: Arc::new(manifest),
        handler: Handler::P3,
        scheduled: false,
    })
}

fn function(name: &str, versions: Vec<Arc<VersionEntry>>) -> Arc<FunctionEntry> {
    Arc::new(FunctionEntry {
        id: Uuid::now_v7(),
        name: name.parse().unwrap(),
        owner_id: Uuid::nil(),
        enabled: name != "off",
        active: Arc::clone(versions.last().unwrap()),
        deployment: Default::default(),
        versions: versions
            .into_iter()
            .map(|v| (v.number, v))
            .collect::<BTreeMap<_, _>>(),
    })
}

pub(super) fn project(environment: Environment) -> Arc<ProjectEntry> {
    let plain = |name: &str| version(name, 1, |_| {});
    let private = version("private", 1, |m| m.verify = Verify::Required);
    let far = version("far", 1, |m| m.region = vec!["mars".to_owned()]);
    let small = version("small", 1, |m| m.limits.body_mib = 0);
    let database = DatabaseAccess {
        role: String::new(),
        password: Password::new(b""),
        schema: String::new(),
    };
    Arc::new(ProjectEntry {
        id: PROJECT,
        name: "demo".parse().unwrap(),
        environment,
        schema: Arc::new(Schema::default()),
        relationships: Arc::from([]),
        vectors: Arc::default(),
        settings: Default::default(),
        limiter: None,
        redaction: None,
        api_keys: Default::default(),
        providers: Default::default(),
        secrets: Default::default(),
        jwt_secret: Secret::new(SECRET.to_vec()),
        database,
        mirror: Mirror::Off,
        functions: vec![
            function("private", vec![private]),
            function("small", vec![small]),
            function("hello", vec![plain("hello"), version("hello", 2, |_| {})]),
            function("far", vec![far]),
            function("off", vec![plain("off")]),
        ],
    })
}
