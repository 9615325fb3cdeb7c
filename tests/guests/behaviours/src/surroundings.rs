//! What a function sees of the world around it.

use std::collections::BTreeMap;

use koyalite::{Request, Response, Result};
use serde_json::json;

/// The request's header fields: name to list of values.
pub fn headers(request: &Request) -> Result<Response> {
    let mut fields: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for (name, value) in request.headers().iter() {
        fields
            .entry(name)
            .or_default()
            .push(String::from_utf8_lossy(value).into_owned());
    }
    Response::json(&fields)
}

/// How the request's address reads from inside.
pub fn paths(request: &Request) -> Result<Response> {
    Response::json(&json!({
        "method": request.method().as_str(),
        "uri": request.uri(),
        "base": request.base_path(),
        "path": request.path(),
        "segments": request.segments(),
        "query": request.query_pairs(),
    }))
}

/// Environment variables and arguments: a function has none that its manifest does not give it.
pub fn environment() -> Result<Response> {
    let variables: BTreeMap<String, String> = std::env::vars().collect();
    let arguments: Vec<String> = std::env::args().collect();
    Response::json(&json!({ "variables": variables, "arguments": arguments }))
}

/// Whether any file can be opened.
pub fn files() -> Result<Response> {
    let outcome = |error: Option<std::io::Error>| error.map_or("opened".into(), |e| e.to_string());
    Response::json(&json!({
        "list /": outcome(std::fs::read_dir("/").err()),
        "read /etc/passwd": outcome(std::fs::read("/etc/passwd").err()),
        "write here": outcome(std::fs::write("file", "text").err()),
    }))
}

/// Whether a raw connection can be made.
pub fn sockets() -> Result<Response> {
    let connected = std::net::TcpStream::connect(("127.0.0.1", 22));
    let listening = std::net::TcpListener::bind(("127.0.0.1", 0));
    Response::json(&json!({
        "connect": connected.err().map(|error| error.to_string()),
        "listen": listening.err().map(|error| error.to_string()),
    }))
}
