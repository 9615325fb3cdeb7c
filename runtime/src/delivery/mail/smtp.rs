//! One conversation with the mail server, step by step, so that it is known how far it got.

use std::time::Duration;

use lettre::transport::smtp::Error;
use lettre::transport::smtp::authentication::{Credentials, DEFAULT_MECHANISMS};
use lettre::transport::smtp::client::{AsyncSmtpConnection, TlsParameters};
use lettre::transport::smtp::commands::{Data, Mail, Rcpt};
use lettre::transport::smtp::extension::ClientId;
use tokio::time::timeout;

use super::compose::Composed;
use super::server::{Security, SmtpServer};

/// For each step: greylisting servers take their time before they answer.
const STEP_TIMEOUT: Duration = Duration::from_secs(30);

/// For the content, which a server may look through before it answers.
const CONTENT_TIMEOUT: Duration = Duration::from_secs(90);

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

/// Hands a message over. `begin` is asked right before the content: no is a lost lease.
pub(super) async fn send(
    server: &SmtpServer,
    composed: &Composed,
    begin: impl AsyncFnOnce() -> bool,
) -> Result<(), Refusal> {
    let mut connection = step(Stage::Connect, STEP_TIMEOUT, connect(server)).await?;
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
    // It is accepted; how the goodbye goes says nothing.
    let _ = timeout(Duration::from_secs(1), connection.quit()).await;
    Ok(())
}

async fn connect(server: &SmtpServer) -> Result<AsyncSmtpConnection, Error> {
    let hello = ClientId::default();
    let tls = || TlsParameters::new_rustls(server.host.clone());
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
