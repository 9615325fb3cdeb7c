//! The gateway behind a real listener, with a function that reports what it was called with.

mod entries;

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::time::Duration;

use serde_json::{Map, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use self::entries::project;
use super::*;
use crate::http::{Listener, ListenerLimits};
use crate::keys::{
    Audience, ControlRole, ControlToken, Grant, KeyRing, Presented, SigningKey, token,
};
use crate::registry::Environment;

const SECRET: &[u8] = b"0123456789abcdef0123456789abcdef";
const PROJECT: Uuid = Uuid::from_u128(7);
const HOUR: Duration = Duration::from_secs(3600);
/// The row of a control token that was taken back.
const TAKEN_BACK: Uuid = Uuid::from_u128(9);

/// One project with a few functions; its "guest" answers with what it got.
struct Fake(Arc<ProjectEntry>);

impl Behind for Fake {
    fn project(&self, name: &ProjectName) -> Option<Arc<ProjectEntry>> {
        (*name == self.0.name).then(|| Arc::clone(&self.0))
    }

    /// Everybody whose token was not taken back.
    async fn may_preview(&self, right: Right, _project: &ProjectName) -> bool {
        right != Right::Listed(TAKEN_BACK)
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
        let (parts, body) = call.request.into_parts();
        let read = body::collect(body, u64::MAX)
            .await
            .map_or(-1, |bytes| bytes.len() as i64);
        let header = |name: &str| {
            parts
                .headers
                .get(name)
                .map(|v| v.to_str().unwrap().to_owned())
        };
        let said = json!({
            "function": call.selected.function.name, "version": call.selected.version.number, "read": read,
            "user": call.identity.subject(), "path": parts.uri.path(),
            "base": header("koyalite-base-path"), "forged": header("koyalite-forged"),
            "authorization": header("authorization").is_some(),
        });
        let mut response = Response::new(body::full(said.to_string()));
        response
            .headers_mut()
            .insert("clear-site-data", HeaderValue::from_static("\"*\""));
        Ok(response)
    }
}

struct Server {
    address: SocketAddr,
    drain: CancellationToken,
    admin: String,
    /// A token of the list, and one that was taken back.
    listed: [String; 2],
    user: String,
}

async fn start(environment: Environment) -> Server {
    let dir = tempfile::tempdir().unwrap();
    let authority = ControlAuthority::new(&KeyRing::create(&dir.path().join("keys.json")).unwrap());
    let operator = ControlToken {
        subject: "op".to_owned(),
        role: ControlRole::Admin,
    };
    let admin = authority
        .issue(operator, HOUR, Utc::now())
        .unwrap()
        .expose()
        .to_owned();
    let listed = [Uuid::from_u128(8), TAKEN_BACK].map(|id| {
        let presented = Presented {
            subject: "ci".to_owned(),
            right: Right::Listed(id),
        };
        let token = authority.issue_as(presented, HOUR, Utc::now()).unwrap();
        format!("authorization: Bearer {}", token.expose())
    });
    let grant = Grant {
        subject: "alice".to_owned(),
        audience: Audience::Project(PROJECT),
        lifetime: HOUR,
        claims: Map::new(),
    };
    let key = SigningKey::hs256(SECRET).unwrap();
    let user = token::issue(&key, grant, Utc::now())
        .unwrap()
        .expose()
        .to_owned();
    let settings = GatewaySettings {
        domain: "localhost".to_owned(),
        region: "local".to_owned(),
        proxies: Default::default(),
    };
    let drain = CancellationToken::new();
    let gateway = Gateway::new(
        Fake(project(environment)),
        settings,
        authority,
        drain.clone(),
    );
    let gateway = Arc::new(gateway);
    let service = move |request| {
        let gateway = Arc::clone(&gateway);
        async move { gateway.handle(request).await }
    };
    let any = "127.0.0.1:0".parse().unwrap();
    let listener = Listener::bind(any, ListenerLimits::default())
        .await
        .unwrap();
    let address = listener.local_addr().unwrap();
    // Served until the test's runtime ends: draining is tested with the listener.
    tokio::spawn(listener.serve(service, CancellationToken::new()));
    Server {
        address,
        drain,
        admin,
        listed,
        user,
    }
}

impl Server {
    async fn send(&self, request_line: &str, rest: &str) -> String {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        let host = if rest.contains("host:") {
            ""
        } else {
            "host: localhost\r\n"
        };
        let head = format!("{request_line} HTTP/1.1\r\nconnection: close\r\n{host}{rest}");
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        String::from_utf8(answer).unwrap()
    }

    /// Sends a GET with header lines and checks the status and what the answer contains.
    async fn check(&self, path: &str, headers: &[&str], status: u16, contains: &[&str]) {
        let lines: String = headers.iter().map(|line| format!("{line}\r\n")).collect();
        let answer = self
            .send(&format!("GET {path}"), &format!("{lines}\r\n"))
            .await;
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status} ")),
            "{path} {headers:?}: {answer}"
        );
        for part in contains {
            assert!(
                answer.contains(part),
                "{path} {headers:?}: no {part} in {answer}"
            );
        }
    }
}

#[tokio::test]
async fn a_function_is_called_with_its_place_and_its_caller() {
    let server = start(Environment::Dev).await;
    let user = format!("authorization: Bearer {}", server.user);
    server
        .check(
            "/f/demo/hello/a%20b?c=d",
            &[&user, "koyalite-forged: x"],
            200,
            &[
                "koyalite-source: function\r\n",
                "koyalite-version: 2\r\n",
                "x-request-id: ",
                "koyalite-region: local\r\n",
                r#""user":"alice""#,
                r#""path":"/f/demo/hello/a%20b""#,
                r#""base":"/f/demo/hello""#,
                r#""forged":null"#,
                r#""authorization":true"#,
            ],
        )
        .await;
    let id = "x-request-id: 0190f5fe-7c00-7a00-8000-0123456789ab";
    server
        .check("/f/demo/hello", &[id], 200, &[id, r#""user":null"#])
        .await;
    let by_host = ["host: demo.localhost:8080"];
    server
        .check(
            "/hello/x",
            &by_host,
            200,
            &["clear-site-data", r#""base":"/hello""#],
        )
        .await;
    let shared = server.send("GET /f/demo/hello", "\r\n").await;
    assert!(!shared.contains("clear-site-data"), "{shared}");
}

#[tokio::test]
async fn what_is_not_there_is_refused_by_the_gateway() {
    let server = start(Environment::Dev).await;
    for (path, status, code) in [
        ("/", 404, "unknown_route"),
        ("/f/nobody/hello", 404, "unknown_project"),
        ("/f/demo/nothing", 404, "unknown_function"),
        ("/f/demo/hello-world", 404, "unknown_function"),
        ("/f/demo/off", 404, "function_disabled"),
        ("/f/demo/far", 421, "wrong_region"),
        ("/f/demo/private", 401, "unauthorized"),
        ("/f/demo/hello@1", 404, "unknown_version"),
        ("/f/demo/hello@x", 404, "unknown_version"),
        ("/f/demo/../hello", 400, "bad_path"),
        ("/f/demo/%2e%2e/hello", 400, "bad_path"),
        ("/f/demo/hello%00", 400, "bad_path"),
        ("/f//demo/hello", 400, "bad_path"),
    ] {
        let code = format!(r#""code":"{code}""#);
        let source = "koyalite-source: gateway\r\n";
        server
            .check(
                path,
                &[],
                status,
                &[&code, source, "application/problem+json"],
            )
            .await;
    }
    server
        .check("/f/demo/far", &[], 421, &["koyalite-region: mars\r\n"])
        .await;
    server
        .check(
            "/f/demo/private",
            &[],
            401,
            &["www-authenticate: Bearer\r\n"],
        )
        .await;
    let bad = ["authorization: Bearer nonsense"];
    server
        .check(
            "/f/demo/hello",
            &bad,
            401,
            &["invalid_token", "www-authenticate"],
        )
        .await;
}

#[tokio::test]
async fn an_operator_reaches_older_versions_and_the_guest_never_sees_the_token() {
    let server = start(Environment::Dev).await;
    let admin = format!("authorization: Bearer {}", server.admin);
    let user = format!("authorization: Bearer {}", server.user);
    let one = "koyalite-version: 1";
    let first = [
        r#""version":1"#,
        r#""user":null"#,
        r#""authorization":false"#,
    ];
    server
        .check("/f/demo/hello", &[&admin, one], 200, &first)
        .await;
    let base = r#""base":"/f/demo/hello@1""#;
    server
        .check("/f/demo/hello@1/", &[&admin], 200, &[first[0], base])
        .await;
    server
        .check("/f/demo/hello", &[&user, one], 404, &["unknown_version"])
        .await;
    server
        .check("/f/demo/hello", &[one], 404, &["unknown_version"])
        .await;
    server
        .check("/f/demo/hello@2", &[&admin, one], 404, &["unknown_version"])
        .await;
    server
        .check("/f/demo/hello", &[&user, "koyalite-version: 2"], 200, &[])
        .await;
    server
        .check("/f/demo/hello", &[&admin], 401, &["invalid_token"])
        .await;
    let [listed, taken_back] = &server.listed;
    server
        .check("/f/demo/hello", &[listed, one], 200, &first)
        .await;
    server
        .check("/f/demo/hello", &[taken_back, one], 401, &["invalid_token"])
        .await;
}

#[tokio::test]
async fn a_body_over_the_limit_is_a_413_however_its_length_is_told() {
    let server = start(Environment::Dev).await;
    let declared = server
        .send("POST /f/demo/small", "content-length: 5\r\n\r\nhello")
        .await;
    let chunked = "transfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n";
    let streamed = server.send("POST /f/demo/small", chunked).await;
    for answer in [declared, streamed] {
        assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
        assert!(answer.contains("body_too_large"), "{answer}");
    }
    let fits = server.send("POST /f/demo/hello", chunked).await;
    assert!(fits.contains(r#""read":5"#), "{fits}");
}

#[tokio::test]
async fn a_draining_node_says_so_and_is_still_alive() {
    let server = start(Environment::Dev).await;
    server.check("/readyz", &[], 200, &["ready"]).await;
    server.drain.cancel();
    server.check("/healthz", &[], 200, &["ok"]).await;
    server
        .check("/readyz", &[], 503, &["draining", "retry-after: 1"])
        .await;
    server.check("/f/demo/hello", &[], 503, &["draining"]).await;
}

#[tokio::test]
async fn in_production_projects_do_not_share_an_origin() {
    let server = start(Environment::Prod).await;
    server
        .check("/f/demo/hello", &[], 404, &["unknown_route"])
        .await;
    server
        .check("/hello", &["host: demo.localhost"], 200, &[])
        .await;
}
