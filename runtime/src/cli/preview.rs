//! `koyalite preview`: a signed URL to a version that need not serve, or the end of one or of all of them.

use clap::Args;
use http::Method;
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use anyhow::anyhow;

use super::args::ControlArgs;
use super::error::CliError;

/// Of which version, and for how long.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  koyalite preview hello --version 4\n  \
                  koyalite preview hello --version 4 --ttl 600\n  \
                  koyalite preview hello --revoke ID\n  \
                  koyalite preview hello --revoke   all URLs of it that were made until now")]
pub(super) struct PreviewArgs {
    /// The function
    function: String,
    /// The version
    #[arg(
        long = "version",
        value_name = "VERSION",
        required_unless_present = "revoke"
    )]
    number: Option<u32>,
    /// Seconds until it is over; an hour without it
    #[arg(long, value_name = "SECONDS")]
    ttl: Option<u32>,
    /// End the preview URL of that id; without one, all of the function
    #[arg(long, value_name = "ID", num_args = 0..=1, conflicts_with_all = ["number", "ttl"])]
    revoke: Option<Option<Uuid>>,
    #[command(flatten)]
    server: ControlArgs,
}

#[derive(Deserialize)]
struct Made {
    id: Uuid,
    url: String,
    expires_at: String,
}

impl PreviewArgs {
    /// Makes one, or ends one or all.
    pub(super) async fn run(self) -> Result<(), CliError> {
        let client = self.server.client()?;
        if let Some(which) = self.revoke {
            let mut path = self.server.path(["functions", &self.function, "previews"]);
            let said = match which {
                Some(id) => {
                    path = format!("{path}/{id}");
                    format!("preview URL {id} of {} is good no longer", self.function)
                }
                None => format!("preview URLs of {} are good no longer", self.function),
            };
            client.delete(&path).await?;
            return self.server.output().show(Value::Null, |(): ()| said);
        }
        let number = self
            .number
            .ok_or_else(|| CliError::Usage(anyhow!("name a version")))?;
        let body = match self.ttl {
            Some(seconds) => json!({ "version": number, "ttl_s": seconds }),
            None => json!({ "version": number }),
        };
        let path = self.server.path(["functions", &self.function, "previews"]);
        let answer = client.send(Method::POST, &path, &body).await?;
        self.server.output().show(answer, |made: Made| {
            let Made {
                id,
                url,
                expires_at,
            } = made;
            format!("{url}\ngood until {expires_at}, or until it is revoked as {id}")
        })
    }
}
