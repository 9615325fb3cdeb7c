//! On what terms a version comes to serve, as flags: its share of the calls, when it is taken back, why.

use clap::Args;
use serde_json::{Map, Value, json};

use super::args::encode;

/// The flags.
#[derive(Debug, Args)]
#[command(next_help_heading = "Terms")]
pub(super) struct TermArgs {
    /// Percent of the calls that it gets beside the version that serves; all of them without it
    #[arg(long, value_name = "PERCENT", value_parser = clap::value_parser!(u32).range(1..=100))]
    pub(super) weight: Option<u32>,
    #[command(flatten)]
    pub(super) watched: WatchedArgs,
}

/// The flags that any new deployment takes.
#[derive(Debug, Args)]
pub(super) struct WatchedArgs {
    /// Why, for the history
    #[arg(long, short, value_name = "TEXT")]
    pub(super) message: Option<String>,
    /// What callers are told apart by while two versions share them: header:NAME, cookie:NAME, claim:NAME
    #[arg(long, value_name = "KEY")]
    pub(super) affinity: Option<String>,
    /// Go back by itself when more than so many percent of the calls fail
    #[arg(long, value_name = "PERCENT")]
    pub(super) max_error_percent: Option<u32>,
    /// Go back by itself when more than 1 % of the calls take longer
    #[arg(long, value_name = "MS")]
    pub(super) max_p99_ms: Option<u32>,
    /// How far back it looks for that; 60 without it
    #[arg(long, value_name = "SECONDS")]
    pub(super) window_s: Option<u32>,
    /// How many calls there must be in that time; 50 without it
    #[arg(long, value_name = "CALLS")]
    pub(super) min_requests: Option<u32>,
}

impl WatchedArgs {
    fn rule(&self) -> Vec<(&'static str, u32)> {
        let fields = [
            ("error_percent_max", self.max_error_percent),
            ("p99_ms_max", self.max_p99_ms),
            ("window_s", self.window_s),
            ("requests_min", self.min_requests),
        ];
        let given = fields.into_iter();
        given
            .filter_map(|(field, value)| Some((field, value?)))
            .collect()
    }

    /// Adds what was said to a body of JSON.
    pub(super) fn say(&self, body: &mut Value) {
        let Some(fields) = body.as_object_mut() else {
            return;
        };
        let mut put = |field: &str, value: Value| fields.insert(field.to_owned(), value);
        if let Some(message) = &self.message {
            put("message", json!(message));
        }
        if let Some(affinity) = &self.affinity {
            put("affinity", json!(affinity));
        }
        let rule: Map<String, Value> = self
            .rule()
            .into_iter()
            .map(|(field, value)| (field.to_owned(), json!(value)))
            .collect();
        if !rule.is_empty() {
            put("auto_rollback", rule.into());
        }
    }
}

impl TermArgs {
    /// The same for a body.
    pub(super) fn say(&self, body: &mut Value) {
        self.watched.say(body);
        if let (Some(weight), Some(fields)) = (self.weight, body.as_object_mut()) {
            fields.insert("weight".to_owned(), json!(weight));
        }
    }

    /// As a query, with its question mark; nothing where nothing was said.
    pub(super) fn query(&self) -> String {
        let watched = &self.watched;
        let texts = [
            ("message", watched.message.as_deref()),
            ("affinity", watched.affinity.as_deref()),
        ];
        let texts = texts
            .into_iter()
            .filter_map(|(field, text)| Some((field, encode(text?))));
        let numbers = self.weight.map(|weight| ("weight", weight)).into_iter();
        let numbers = numbers.chain(watched.rule());
        let numbers = numbers.map(|(field, value)| (field, value.to_string()));
        let pairs: Vec<String> = texts
            .chain(numbers)
            .map(|(field, value)| format!("{field}={value}"))
            .collect();
        match pairs.is_empty() {
            true => String::new(),
            false => format!("?{}", pairs.join("&")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_said_stands_in_the_query_and_in_the_body() {
        let nothing = WatchedArgs {
            message: None,
            affinity: None,
            max_error_percent: None,
            max_p99_ms: None,
            window_s: None,
            min_requests: None,
        };
        let mut terms = TermArgs {
            weight: None,
            watched: nothing,
        };
        let mut body = json!({});
        terms.say(&mut body);
        assert_eq!((terms.query().as_str(), body), ("", json!({})));
        terms.weight = Some(10);
        terms.watched.message = Some("a & b".to_owned());
        terms.watched.max_p99_ms = Some(200);
        let mut body = json!({});
        terms.say(&mut body);
        assert_eq!(
            terms.query(),
            "?message=a%20%26%20b&weight=10&p99_ms_max=200"
        );
        let expected =
            json!({ "message": "a & b", "weight": 10, "auto_rollback": { "p99_ms_max": 200 } });
        assert_eq!(body, expected);
    }
}
