//! A whole request and a guest's whole answer at the gateway: no panic, and no header crosses the
//! border that must not, either way.
#![no_main]

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, OnceLock};

use http::uri::Scheme;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response};
use koyalite_host_api::Project;
use koyalite_host_api::db::{DatabaseAccess, Mirror, Password};
use koyalite_policy::{ProjectName, Schema};
use koyalite_runtime::accounts::{AccountError, Done};
use koyalite_runtime::dispatch::{DispatchError, HttpCall};
use koyalite_runtime::forward::ForwardError;
use koyalite_runtime::gateway::providers::Fetched;
use koyalite_runtime::gateway::{AccountCall, Behind, Gateway, GatewaySettings};
use koyalite_runtime::http::{Body, body, request_form};
use koyalite_runtime::keys::{ControlAuthority, KeyRing, Preview, Right};
use koyalite_runtime::registry::manifest::Manifest;
use koyalite_runtime::registry::{
    Environment, FunctionEntry, Handler, ProjectEntry, Secret, VersionEntry,
};
use libfuzzer_sys::arbitrary::{self, Arbitrary};
use libfuzzer_sys::fuzz_target;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

#[derive(Arbitrary, Debug)]
struct Exchange<'a> {
    method: &'a str,
    host: &'a str,
    by_host: bool,
    path: &'a str,
    request: Vec<(u8, &'a str, &'a [u8])>,
    answer: Vec<(u8, &'a str, &'a [u8])>,
}

/// Names that the border knows, so that the fuzzer need not guess them.
const NAMES: [&str; 14] = [
    "authorization",
    "connection",
    "keep-alive",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "set-cookie",
    "clear-site-data",
    "service-worker-allowed",
    "koyalite-version",
    "koyalite-anything",
    "x-request-id",
    "content-length",
];
/// Not `trailer`: it announces trailers, which pass as well.
const BY_HOP: [&str; 5] = [
    "connection",
    "keep-alive",
    "te",
    "transfer-encoding",
    "upgrade",
];

fn headers(wanted: &[(u8, &str, &[u8])]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (choice, name, value) in wanted.iter().take(64) {
        let name = NAMES.get(usize::from(*choice)).unwrap_or(name);
        let name = HeaderName::from_bytes(name.as_bytes());
        if let (Ok(name), Ok(value)) = (name, HeaderValue::from_bytes(value)) {
            headers.append(name, value);
        }
    }
    headers
}

/// Answers with prepared headers, after a look at what came in.
struct Guest {
    project: Arc<ProjectEntry>,
    answer: Arc<Mutex<HeaderMap>>,
}

impl Behind for Guest {
    fn project(&self, name: &ProjectName) -> Option<Arc<ProjectEntry>> {
        (*name == self.project.name).then(|| Arc::clone(&self.project))
    }

    async fn may_preview(&self, _right: Right, _project: &ProjectName) -> bool {
        false
    }

    fn open_preview(&self, _function: Uuid, _text: &str) -> Option<Preview> {
        None
    }

    fn is_stale(&self) -> bool {
        false
    }

    async fn forward(
        &self,
        _regions: &[String],
        _request: Request<Body>,
    ) -> Result<Response<Body>, ForwardError> {
        Err(ForwardError::Off)
    }

    fn nodes(&self) -> NonZeroU32 {
        NonZeroU32::MIN
    }

    fn fetch(&self, _url: String) -> Fetched {
        Box::pin(async { Err("nothing is there".to_owned()) })
    }

    async fn account(&self, _call: AccountCall) -> Result<Done, AccountError> {
        Err(AccountError::SignUpOff)
    }

    fn host_project(&self, _project: &ProjectEntry) -> Option<Project> {
        None
    }

    async fn http(&self, call: HttpCall) -> Result<Response<Body>, DispatchError> {
        for name in call.request.headers().keys() {
            let name = name.as_str();
            assert!(!BY_HOP.contains(&name), "{name} reached the guest");
            let ours = name.starts_with("koyalite-") && name != "koyalite-base-path";
            assert!(!ours, "{name} reached the guest");
        }
        let mut response = Response::new(body::full("ok"));
        *response.headers_mut() = std::mem::take(&mut *self.answer.lock().expect("one thread"));
        Ok(response)
    }
}

fn function(name: &str) -> Arc<FunctionEntry> {
    let version = Arc::new(VersionEntry {
        id: Uuid::from_u128(1),
        function_id: Uuid::from_u128(2),
        number: 1,
        sha256: String::new(),
        config: None,
        manifest: Arc::new(Manifest::default_for(&name.parse().expect("a name"))),
        handler: Handler::P3,
        scheduled: false,
    });
    Arc::new(FunctionEntry {
        id: Uuid::from_u128(2),
        name: name.parse().expect("a name"),
        owner_id: Uuid::nil(),
        enabled: true,
        active: Arc::clone(&version),
        deployment: Default::default(),
        versions: BTreeMap::from([(1, version)]),
    })
}

fn project() -> Arc<ProjectEntry> {
    let database = DatabaseAccess {
        role: String::new(),
        password: Password::new(b""),
        schema: String::new(),
    };
    Arc::new(ProjectEntry {
        id: Uuid::from_u128(7),
        name: "demo".parse().expect("a name"),
        environment: Environment::Dev,
        schema: Arc::new(Schema::default()),
        relationships: Arc::from([]),
        vectors: Arc::default(),
        settings: Default::default(),
        limiter: None,
        redaction: None,
        api_keys: Default::default(),
        providers: Default::default(),
        secrets: Default::default(),
        jwt_secret: Secret::new(b"0123456789abcdef0123456789abcdef".to_vec()),
        database,
        mirror: Mirror::Off,
        functions: vec![function("hello")],
    })
}

fn gateway() -> &'static (Gateway<Guest>, Arc<Mutex<HeaderMap>>) {
    static GATEWAY: OnceLock<(Gateway<Guest>, Arc<Mutex<HeaderMap>>)> = OnceLock::new();
    GATEWAY.get_or_init(|| {
        let folder = tempfile::tempdir().expect("a folder");
        let ring = KeyRing::create(&folder.path().join("keys.json")).expect("a key ring");
        let answer = Arc::new(Mutex::new(HeaderMap::new()));
        let guest = Guest {
            project: project(),
            answer: Arc::clone(&answer),
        };
        let settings = GatewaySettings {
            domain: "localhost".to_owned(),
            region: "local".to_owned(),
            proxies: Default::default(),
        };
        let authority = ControlAuthority::new(&ring);
        let gateway = Gateway::new(guest, settings, authority, CancellationToken::new());
        (gateway, answer)
    })
}

fuzz_target!(|exchange: Exchange<'_>| {
    let (gateway, answer) = gateway();
    *answer.lock().expect("one thread") = headers(&exchange.answer);
    let path = match exchange.by_host {
        true => format!("/{}", exchange.path),
        false => format!("/f/demo/hello{}", exchange.path),
    };
    let host = if exchange.by_host {
        "demo.localhost"
    } else {
        exchange.host
    };
    let request = Request::builder()
        .method(exchange.method.as_bytes())
        .uri(path)
        .header("host", host)
        .body(body::empty());
    let Ok(mut request) = request else {
        return;
    };
    request.headers_mut().extend(headers(&exchange.request));
    // As the listener does before the gateway sees a request.
    let (mut parts, body) = request.into_parts();
    if request_form::settle(&mut parts, &Scheme::HTTP).is_err() {
        return;
    }
    let request = Request::from_parts(parts, body);
    let answered = futures::executor::block_on(gateway.handle(request));
    let by_hop = |name: &HeaderName| BY_HOP.contains(&name.as_str());
    assert!(
        !answered.headers().keys().any(by_hop),
        "{:?}",
        answered.headers()
    );
    let source = answered.headers().get_all("koyalite-source");
    assert_eq!(source.iter().count(), 1, "{:?}", answered.headers());
    assert_eq!(answered.headers().get_all("x-request-id").iter().count(), 1);
});
