//! A mail server that answers as it is told, by recipient, and remembers what it took.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

use super::eventually;

const PATIENCE: Duration = Duration::from_secs(90);

/// A message that was taken, or whose content had begun when the connection was dropped.
#[derive(Debug, Clone)]
pub(crate) struct Taken {
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

/// What a recipient's name makes the server do: `later` is refused twice for now, `unknown` for good,
/// `spam` after its content, `drop` in the middle of it; everybody else is welcome.
#[derive(Clone, Default)]
pub(crate) struct MailServer {
    pub(crate) url: String,
    taken: Arc<Mutex<Vec<Taken>>>,
    tries: Arc<Mutex<BTreeMap<String, usize>>>,
}

impl MailServer {
    /// Starts one. It ends with the test's runtime.
    pub(crate) async fn start() -> MailServer {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = MailServer {
            url: format!("smtp://{}?tls=none", listener.local_addr().unwrap()),
            ..MailServer::default()
        };
        let serving = server.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let serving = serving.clone();
                tokio::spawn(async move {
                    let _ = serving.talk(BufReader::new(stream)).await;
                });
            }
        });
        server
    }

    async fn talk(&self, mut stream: BufReader<TcpStream>) -> std::io::Result<()> {
        stream.write_all(b"220 scripted ESMTP\r\n").await?;
        let mut to = String::new();
        loop {
            let mut line = String::new();
            if stream.read_line(&mut line).await? == 0 {
                return Ok(());
            }
            let word = line.get(..4).unwrap_or_default().to_ascii_uppercase();
            let answer = match word.as_str() {
                "EHLO" => "250-scripted\r\n250 SIZE 1000000\r\n",
                "RCPT" => {
                    let (_, address) = line.split_once('<').unwrap();
                    to = address.split_once('>').unwrap().0.to_owned();
                    self.receive(&to)
                }
                "DATA" => {
                    stream.write_all(b"354 go on\r\n").await?;
                    match self.content(&mut stream, &to).await? {
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
        stream: &mut BufReader<TcpStream>,
        to: &str,
    ) -> std::io::Result<Option<&'static str>> {
        let mut content = String::new();
        loop {
            let mut line = String::new();
            if stream.read_line(&mut line).await? == 0 || line == ".\r\n" {
                break;
            }
            content.push_str(line.strip_prefix('.').unwrap_or(&line));
        }
        let name = to.split('@').next().unwrap();
        if name == "spam" {
            return Ok(Some("554 5.7.1 not like that\r\n"));
        }
        self.taken.lock().unwrap().push(Taken {
            to: to.to_owned(),
            content,
        });
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

    /// All that was taken, once there is so much.
    pub(crate) async fn wait_for(&self, enough: usize) -> Vec<Taken> {
        eventually("mail arrives", PATIENCE, async || {
            Some(self.taken()).filter(|all| all.len() >= enough)
        })
        .await
    }
}
