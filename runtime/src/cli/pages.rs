//! A list of the control API, all pages of it.

use serde::Deserialize;
use serde_json::{Value, json};

use super::args::encode;
use super::client::Client;
use super::error::CliError;

/// A list as a command reads it.
#[derive(Deserialize)]
pub(super) struct Items<T> {
    pub(super) items: Vec<T>,
}

/// All items at the path, with what narrows them.
pub(super) async fn all(
    client: &Client,
    path: &str,
    filter: &[(&str, Option<&str>)],
) -> Result<Value, CliError> {
    let given = filter
        .iter()
        .filter_map(|(name, value)| Some((name, (*value)?)));
    let query: String = given
        .map(|(name, value)| format!("&{name}={}", encode(value)))
        .collect();
    let mut items = Vec::new();
    let mut cursor = None;
    loop {
        let after = cursor.map(|cursor: String| format!("&cursor={}", encode(&cursor)));
        let page = format!("{path}?limit=200{query}{}", after.unwrap_or_default());
        let mut page = client.get(&page).await?;
        if let Some(Value::Array(more)) = page.get_mut("items").map(Value::take) {
            items.extend(more);
        }
        match page.get("next_cursor").and_then(Value::as_str) {
            Some(next) => cursor = Some(next.to_owned()),
            None => return Ok(json!({ "items": items, "next_cursor": null })),
        }
    }
}
