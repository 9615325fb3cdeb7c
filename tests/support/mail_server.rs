//! A mail server that answers as it is told, by recipient, and remembers what it took.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::{certificate, eventually};

const PATIENCE: Duration = Duration::from_secs(90);

/// What a secured server asks for.
const LOGIN: (&str, &str) = ("koya", "p@ss:word");

/// A message that was taken, or whose content had begun when the connection was dropped.
#[derive(Debug, Clone)]
pub(crate) struct Taken {
    pub(crate) from: String,
    pub(crate) to: String,
    pub(crate) content: String,
}

impl Taken {
    /// The value of a header, on one line.
    pub(crate) fn header(&self, name: &str) -> String {
        let (headers, _) = self.content.split_once("\r\n\r\n").unwrap();
        let unfolded = headers.replace("\r\n ", " ").replace("\r\n\t", " ");
        let start = format!("{name}: ");
        let found = unfolded
            .split("\r\n")
            .find_map(|line| line.strip_prefix(&start));
        found
            .unwrap_or_else(|| panic!("no {name} in {headers}"))
            .to_owned()
    }
}

trait Wire: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Wire for T {}
type Stream = BufReader<Box<dyn Wire>>;

/// Sees each message before the server says that it has it.
type Watching = dyn Fn(&Taken) + Send + Sync;

/// What a recipient's name makes the server do: `later` is refused once for now, `unknown` for good, `silent`
/// never answered, `spam` refused after its content, `drop` dropped after it, `half` in the middle of it;
/// everybody else is welcome.
#[derive(Clone)]
pub(crate) struct MailServer {
    pub(crate) url: String,
    taken: Arc<Mutex<Vec<Taken>>>,
    tries: Arc<Mutex<BTreeMap<String, usize>>>,
    connections: Arc<AtomicUsize>,
    watching: Arc<Watching>,
    tls: Option<TlsAcceptor>,
}

impl MailServer {
    /// Starts one. It ends with the test's runtime.
    pub(crate) async fn start() -> MailServer {
        MailServer::watched(|_| {}).await
    }

    /// The same, with somebody who sees each message before the server says that it has it.
    pub(crate) async fn watched(watching: impl Fn(&Taken) + Send + Sync + 'static) -> MailServer {
        MailServer::serving(None, Arc::new(watching)).await
    }

    /// One that takes nothing before STARTTLS, with the certificate `one` of `localhost`, and a login.
    pub(crate) async fn secured() -> MailServer {
        let chain = CertificateDer::from_pem_file(certificate("one", "crt")).unwrap();
        let key = PrivateKeyDer::from_pem_file(certificate("one", "key")).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![chain], key);
        let tls = TlsAcceptor::from(Arc::new(config.unwrap()));
        MailServer::serving(Some(tls), Arc::new(|_| {})).await
    }

    async fn serving(tls: Option<TlsAcceptor>, watching: Arc<Watching>) -> MailServer {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let url = match tls {
            Some(_) => format!("smtp://{}:p%40ss%3Aword@localhost:{port}", LOGIN.0),
            None => format!("smtp://127.0.0.1:{port}?tls=none"),
        };
        let server = MailServer {
            url,
            taken: Arc::default(),
            tries: Arc::default(),
            connections: Arc::default(),
            watching,
            tls,
        };
        let serving = server.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let serving = serving.clone();
                tokio::spawn(async move {
                    serving.connections.fetch_add(1, Ordering::SeqCst);
                    let _ = serving.talk(BufReader::new(Box::new(stream))).await;
                });
            }
        });
        server
    }

    async fn talk(&self, mut stream: Stream) -> std::io::Result<()> {
        stream.write_all(b"220 scripted ESMTP\r\n").await?;
        let (mut from, mut to) = (String::new(), String::new());
        let (mut is_secure, mut is_known) = (self.tls.is_none(), self.tls.is_none());
        loop {
            let mut line = String::new();
            if stream.read_line(&mut line).await? == 0 {
                return Ok(());
            }
            let word = line.get(..4).unwrap_or_default().to_ascii_uppercase();
            let answer = match word.as_str() {
                "EHLO" if is_known => "250-scripted\r\n250 SIZE 1000000\r\n",
                "EHLO" if is_secure => "250-scripted\r\n250 AUTH PLAIN\r\n",
                "EHLO" => "250-scripted\r\n250 STARTTLS\r\n",
                "STAR" => {
                    stream.write_all(b"220 go on\r\n").await?;
                    let tls = self.tls.as_ref().unwrap();
                    let secured = tls.accept(stream.into_inner()).await?;
                    stream = BufReader::new(Box::new(secured));
                    is_secure = true;
                    continue;
                }
                "AUTH" => {
                    is_known = is_secure && knows(&line);
                    if is_known {
                        "235 welcome\r\n"
                    } else {
                        "535 5.7.8 no\r\n"
                    }
                }
                "MAIL" if !is_known => "530 5.7.0 say who you are\r\n",
                "MAIL" => {
                    from = between(&line);
                    "250 ok\r\n"
                }
                "RCPT" => {
                    to = between(&line);
                    if to.starts_with("silent@") {
                        std::future::pending::<()>().await;
                    }
                    self.receive(&to)
                }
                "DATA" => {
                    stream.write_all(b"354 go on\r\n").await?;
                    match self.content(&mut stream, (&from, &to)).await? {
                        Some(answer) => answer,
                        None => return Ok(()),
                    }
                }
                "QUIT" => "221 bye\r\n",
                _ => "250 ok\r\n",
            };
            stream.write_all(answer.as_bytes()).await?;
        }
    }

    fn receive(&self, to: &str) -> &'static str {
        let mut tries = self.tries.lock().unwrap();
        let tried = tries.entry(to.to_owned()).or_default();
        *tried += 1;
        match (to.split('@').next().unwrap(), *tried) {
            ("later", 1) => "451 4.7.1 come back later\r\n",
            ("unknown", _) => "550 5.1.1 nobody of that name\r\n",
            _ => "250 ok\r\n",
        }
    }

    async fn content(
        &self,
        stream: &mut Stream,
        (from, to): (&str, &str),
    ) -> std::io::Result<Option<&'static str>> {
        let name = to.split('@').next().unwrap();
        let mut content = String::new();
        loop {
            let mut line = String::new();
            match stream.read_line(&mut line).await? {
                // Without its end a message is none (RFC 5321, 4.1.1.4).
                0 => return Ok(None),
                _ if line == ".\r\n" => break,
                _ => {}
            }
            content.push_str(line.strip_prefix('.').unwrap_or(&line));
            if name == "half" {
                return Ok(None);
            }
        }
        if name == "spam" {
            return Ok(Some("554 5.7.1 not like that\r\n"));
        }
        let taken = Taken {
            from: from.to_owned(),
            to: to.to_owned(),
            content,
        };
        (self.watching)(&taken);
        self.taken.lock().unwrap().push(taken);
        Ok((name != "drop").then_some("250 taken\r\n"))
    }

    /// All that was taken so far.
    pub(crate) fn taken(&self) -> Vec<Taken> {
        self.taken.lock().unwrap().clone()
    }

    /// How often a recipient was asked for.
    pub(crate) fn tries(&self, to: &str) -> usize {
        self.tries.lock().unwrap().get(to).copied().unwrap_or(0)
    }

    /// How often somebody has connected.
    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    /// All that was taken, once there is so much.
    pub(crate) async fn wait_for(&self, enough: usize) -> Vec<Taken> {
        eventually("mail arrives", PATIENCE, async || {
            Some(self.taken()).filter(|all| all.len() >= enough)
        })
        .await
    }
}

/// Whether this is `AUTH PLAIN` with the login.
fn knows(line: &str) -> bool {
    let shown = line.trim().rsplit(' ').next().unwrap();
    let expected = format!("\0{}\0{}", LOGIN.0, LOGIN.1);
    STANDARD
        .decode(shown)
        .is_ok_and(|shown| shown == expected.as_bytes())
}

/// An address in its angle brackets.
fn between(line: &str) -> String {
    let (_, address) = line.split_once('<').unwrap();
    address.split_once('>').unwrap().0.to_owned()
}
