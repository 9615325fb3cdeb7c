//! `koyalite invoke`: calls a function by its URL, as anyone.

use anyhow::Context;
use clap::Args;
use http::{HeaderName, HeaderValue, Method, Request, Response, header};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use serde::Deserialize;
use serde_json::Value;

use super::args::ControlArgs;
use super::client::{self, Client, RequestBody};
use super::error::CliError;
use super::output::{Output, typed};
use super::token::{self, DEFAULT_TTL_S, Minted, parse_claims};

/// Who calls what, and how.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  koyalite invoke hello\n  \
                        koyalite invoke todo --as $(uuidgen) --data '{\"title\": \"buy milk\"}'\n  \
                        koyalite invoke todo --as $(uuidgen) --path /1 --method DELETE -i\n  \
                        koyalite invoke hello --version 1")]
pub(super) struct InvokeArgs {
    /// The function
    function: String,
    /// What follows the function's own path, query included
    #[arg(long, default_value = "")]
    path: String,
    /// GET, or POST when there is --data
    #[arg(long, short = 'X')]
    method: Option<Method>,
    /// The request's body
    #[arg(long, short, value_name = "TEXT")]
    data: Option<String>,
    /// A further header, `name: value`
    #[arg(long = "header", short = 'H', value_name = "HEADER", value_parser = parse_header)]
    headers: Vec<(HeaderName, HeaderValue)>,
    /// Call as this user, with a development token made for it
    #[arg(long = "as", value_name = "SUBJECT")]
    subject: Option<String>,
    /// Further claims of that user, as a JSON object
    #[arg(long, value_name = "JSON", requires = "subject", value_parser = parse_claims)]
    claims: Option<Value>,
    /// Call this version instead of the active one, with the control token
    #[arg(long, conflicts_with = "subject")]
    version: Option<u32>,
    /// Show the status and the headers too
    #[arg(long, short)]
    include: bool,
    #[command(flatten)]
    server: ControlArgs,
}

#[derive(Deserialize)]
struct Function {
    url: String,
}

impl InvokeArgs {
    /// Calls and prints the answer. Statuses from 400 on end with exit code 1.
    pub(super) async fn run(self) -> Result<(), CliError> {
        let client = self.server.client()?;
        let answer = client
            .get(&self.server.path(["functions", &self.function]))
            .await?;
        let function: Function = typed(answer)?;
        let authorization = self.authorization(&client).await?;
        let response = client
            .call(self.request(&function.url, authorization)?)
            .await?;
        print_answer(response, self.include, self.server.output()).await
    }

    async fn authorization(&self, client: &Client) -> Result<Option<String>, CliError> {
        match (&self.subject, self.version) {
            (Some(subject), _) => {
                let path = self.server.path(["tokens"]);
                let wanted = (subject.as_str(), self.claims.clone(), DEFAULT_TTL_S);
                let answer = token::mint(client, &path, wanted).await?;
                let minted: Minted = typed(answer)?;
                Ok(Some(minted.token))
            }
            (None, Some(_)) => self.server.control_token(),
            (None, None) => Ok(None),
        }
    }

    fn request(
        &self,
        url: &str,
        authorization: Option<String>,
    ) -> Result<Request<RequestBody>, CliError> {
        let default = if self.data.is_some() {
            Method::POST
        } else {
            Method::GET
        };
        let mut request = Request::builder()
            .method(self.method.clone().unwrap_or(default))
            .uri(join(url, &self.path));
        if let Some(token) = authorization {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        if let Some(version) = self.version {
            request = request.header("koyalite-version", version);
        }
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        let body = match &self.data {
            Some(text) => {
                let named = self
                    .headers
                    .iter()
                    .any(|(name, _)| name == header::CONTENT_TYPE);
                if !named && serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok() {
                    request = request.header(header::CONTENT_TYPE, "application/json");
                }
                client::full(text.clone())
            }
            None => client::empty(),
        };
        request
            .body(body)
            .context("the path is not a valid URL path")
            .map_err(CliError::Usage)
    }
}

/// The function's URL with more path behind it, one slash between.
fn join(url: &str, path: &str) -> String {
    match path {
        "" => url.to_owned(),
        query if query.starts_with('?') => format!("{url}{query}"),
        path => format!(
            "{}/{}",
            url.trim_end_matches('/'),
            path.trim_start_matches('/')
        ),
    }
}

async fn print_answer(
    response: Response<Incoming>,
    include: bool,
    output: Output,
) -> Result<(), CliError> {
    let status = response.status();
    if include {
        output.line(&head(&response))?;
    }
    let from_host = response
        .headers()
        .get("koyalite-source")
        .is_some_and(|who| who == "gateway");
    if from_host && !status.is_success() && !include {
        return Err(CliError::Refused(Box::new(
            client::read_problem(response).await?,
        )));
    }
    let mut body = response.into_body();
    let mut last = None;
    while let Some(frame) = body.frame().await {
        let frame = frame.context("the function's answer broke off")?;
        if let Ok(data) = frame.into_data() {
            last = data.last().copied().or(last);
            output.raw(&data)?;
        }
    }
    // The next prompt belongs on a line of its own.
    if last.is_some_and(|byte| byte != b'\n') {
        output.line("")?;
    }
    match status.is_client_error() || status.is_server_error() {
        true => Err(CliError::Shown),
        false => Ok(()),
    }
}

fn head(response: &Response<Incoming>) -> String {
    let mut head = format!("{:?} {}\n", response.version(), response.status());
    for (name, value) in response.headers() {
        head.push_str(&format!(
            "{name}: {}\n",
            String::from_utf8_lossy(value.as_bytes())
        ));
    }
    head
}

fn parse_header(text: &str) -> anyhow::Result<(HeaderName, HeaderValue)> {
    let (name, value) = text.split_once(':').context("write it as `name: value`")?;
    Ok((name.trim().parse()?, value.trim().parse()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_joins_with_one_slash_and_a_query_with_none() {
        let check = |path, expected| assert_eq!(join("http://h/f/demo/todo", path), expected);
        check("", "http://h/f/demo/todo");
        check("/1", "http://h/f/demo/todo/1");
        check("1?x=y", "http://h/f/demo/todo/1?x=y");
        check("?x=y", "http://h/f/demo/todo?x=y");
        assert_eq!(join("http://h/f/demo/", "/x"), "http://h/f/demo/x");
    }
}
