//! Conversations with the mail server, step by step, so that it is known how far each message got.
//!
//! A connection that a message went over well is kept for the next one for a while: mail servers slow down
//! who comes and goes for each message.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use lettre::transport::smtp::Error;
use lettre::transport::smtp::authentication::{Credentials, DEFAULT_MECHANISMS};
use lettre::transport::smtp::client::{AsyncSmtpConnection, TlsParameters};
use lettre::transport::smtp::commands::{Data, Mail, Rcpt};
use lettre::transport::smtp::extension::ClientId;
use tokio::time::{Instant, timeout};

use super::compose::Composed;
use super::server::{Security, SmtpServer};

/// For each step: greylisting servers take their time before they answer.
const STEP_TIMEOUT: Duration = Duration::from_secs(30);

/// For the content, which a server may look through before it answers.
const CONTENT_TIMEOUT: Duration = Duration::from_secs(90);

/// How long a connection is kept without a message: mail servers let go after a few minutes.
const IDLE_MAX: Duration = Duration::from_secs(30);

/// How long it may take to say that it is still there.
const STILL_THERE_TIMEOUT: Duration = Duration::from_secs(5);

/// How far a conversation got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// Connecting, TLS, login.
    Connect,
    /// Who sends.
    Sender,
    /// Who is to have it.
    Recipient,
    /// Whether the content may come.
    Data,
    /// The content itself: what is cut off here may have arrived.
    Content,
}

/// A conversation that did not end in acceptance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) stage: Stage,
    /// What the server answered; none: it did not.
    pub(super) code: Option<u16>,
    pub(super) text: String,
}

/// Connections to one mail server: as many as there are messages at work, and those of a moment ago.
pub struct Pool {
    server: Arc<SmtpServer>,
    idle: Mutex<Vec<(Instant, AsyncSmtpConnection)>>,
}

impl std::fmt::Debug for Pool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Pool({:?})", self.server)
    }
}

impl Pool {
    /// One without connections.
    #[must_use]
    pub fn new(server: Arc<SmtpServer>) -> Self {
        Self {
            server,
            idle: Mutex::default(),
        }
    }

    /// Hands a message over. `begin` is asked right before the content: no is a lost lease.
    pub(super) async fn send(
        &self,
        composed: &Composed,
        begin: impl AsyncFnOnce() -> bool,
    ) -> Result<(), Refusal> {
        let mut connection = match self.kept().await {
            Some(connection) => connection,
            None => step(Stage::Connect, STEP_TIMEOUT, connect(&self.server)).await?,
        };
        match converse(&mut connection, composed, begin).await {
            Ok(()) => {
                self.keep(connection);
                Ok(())
            }
            Err(refusal) => {
                // Where it stands is not worth finding out. How the goodbye goes says nothing.
                let _ = timeout(Duration::from_secs(1), connection.quit()).await;
                Err(refusal)
            }
        }
    }

    /// One that was kept and is still there.
    async fn kept(&self) -> Option<AsyncSmtpConnection> {
        loop {
            let (since, mut connection) = self.idle().pop()?;
            if since.elapsed() < IDLE_MAX {
                let asked = timeout(STILL_THERE_TIMEOUT, connection.test_connected());
                if asked.await == Ok(true) {
                    return Some(connection);
                }
            }
        }
    }

    fn keep(&self, connection: AsyncSmtpConnection) {
        let mut idle = self.idle();
        idle.retain(|(since, _)| since.elapsed() < IDLE_MAX);
        idle.push((Instant::now(), connection));
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<(Instant, AsyncSmtpConnection)>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn converse(
    connection: &mut AsyncSmtpConnection,
    composed: &Composed,
    begin: impl AsyncFnOnce() -> bool,
) -> Result<(), Refusal> {
    let sender = Mail::new(composed.envelope.from().cloned(), Vec::new());
    let told = connection.command(sender);
    step(Stage::Sender, STEP_TIMEOUT, told).await?;
    for recipient in composed.envelope.to() {
        let told = connection.command(Rcpt::new(recipient.clone(), Vec::new()));
        step(Stage::Recipient, STEP_TIMEOUT, told).await?;
    }
    step(Stage::Data, STEP_TIMEOUT, connection.command(Data)).await?;
    if !begin().await {
        return Err(Refusal {
            stage: Stage::Data,
            code: None,
            text: "it was no longer this node's to send".to_owned(),
        });
    }
    let content = connection.message(&composed.bytes);
    step(Stage::Content, CONTENT_TIMEOUT, content).await?;
    Ok(())
}

async fn connect(server: &SmtpServer) -> Result<AsyncSmtpConnection, Error> {
    let hello = ClientId::default();
    let tls = || {
        let parameters = TlsParameters::builder(server.host.clone());
        let parameters = match &server.authority {
            Some(authority) => parameters.add_root_certificate(authority.clone()),
            None => parameters,
        };
        parameters.build_rustls()
    };
    let at_once = match server.security {
        Security::Tls => Some(tls()?),
        Security::StartTls | Security::Plain => None,
    };
    let address = (server.host.as_str(), server.port);
    let connecting =
        AsyncSmtpConnection::connect_tokio1(address, Some(STEP_TIMEOUT), &hello, at_once, None);
    let mut connection = connecting.await?;
    if server.security == Security::StartTls {
        connection.starttls(tls()?, &hello).await?;
    }
    if let Some((user, password)) = &server.login {
        let login = Credentials::new(user.clone(), password.to_string());
        connection.auth(DEFAULT_MECHANISMS, &login).await?;
    }
    Ok(connection)
}

async fn step<T>(
    stage: Stage,
    limit: Duration,
    work: impl Future<Output = Result<T, Error>>,
) -> Result<T, Refusal> {
    let refusal = |code, text| Refusal { stage, code, text };
    match timeout(limit, work).await {
        Ok(Ok(done)) => Ok(done),
        Ok(Err(error)) => Err(refusal(error.status().map(u16::from), error.to_string())),
        Err(_late) => Err(refusal(
            None,
            "the mail server did not answer in time".to_owned(),
        )),
    }
}
