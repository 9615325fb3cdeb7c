//! Counters of this node, and their text for Prometheus.
//!
//! Each part of the process asks once for the counters that it owns and then adds to an atomic:
//! nothing here is on the path of a request. It knows neither what is counted nor why.

use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

/// Whether a number only grows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Only grows; names end in `_total`.
    Counter,
    /// Goes up and down.
    Gauge,
}

/// What a number means.
#[derive(Debug, Clone, Copy)]
pub struct Description {
    /// The name, `koyalite_…`, with the unit last.
    pub name: &'static str,
    /// One sentence.
    pub help: &'static str,
    /// Whether it only grows.
    pub kind: Kind,
}

/// The numbers of one node.
#[derive(Debug, Default)]
pub struct Metrics {
    series: RwLock<Vec<Series>>,
}

#[derive(Debug)]
struct Series {
    description: Description,
    labels: Vec<(&'static str, String)>,
    value: Arc<AtomicU64>,
}

impl Metrics {
    /// A number without labels. Asking twice gives the same one.
    pub fn number(&self, description: Description) -> Arc<AtomicU64> {
        self.labelled(description, Vec::new())
    }

    /// A number with labels. Asking twice gives the same one.
    pub fn labelled(
        &self,
        description: Description,
        labels: Vec<(&'static str, String)>,
    ) -> Arc<AtomicU64> {
        // A writer that panicked left the list whole: it only pushes.
        let mut series = self.series.write().unwrap_or_else(PoisonError::into_inner);
        let known =
            |one: &&Series| one.description.name == description.name && one.labels == labels;
        if let Some(one) = series.iter().find(known) {
            return one.value.clone();
        }
        let value = Arc::new(AtomicU64::new(0));
        series.push(Series {
            description,
            labels,
            value: value.clone(),
        });
        value
    }

    /// All numbers in the Prometheus text format. Series of one name stand together, as it demands.
    pub fn render(&self) -> String {
        let series = self.series.read().unwrap_or_else(PoisonError::into_inner);
        let mut sorted: Vec<&Series> = series.iter().collect();
        sorted.sort_by_key(|one| (one.description.name, one.labels.clone()));
        let mut text = String::new();
        let mut last = "";
        for one in sorted {
            let Description { name, help, kind } = one.description;
            if name != last {
                let kind = match kind {
                    Kind::Counter => "counter",
                    Kind::Gauge => "gauge",
                };
                let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}");
                last = name;
            }
            let value = one.value.load(Ordering::Relaxed);
            let _ = writeln!(text, "{name}{} {value}", label_text(&one.labels));
        }
        text
    }
}

fn label_text(labels: &[(&'static str, String)]) -> String {
    if labels.is_empty() {
        return String::new();
    }
    let pairs: Vec<String> = labels
        .iter()
        .map(|(name, value)| format!("{name}=\"{}\"", escape(value)))
        .collect();
    format!("{{{}}}", pairs.join(","))
}

fn escape(value: &str) -> String {
    value
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    const ASKED: Description = Description {
        name: "koyalite_asked_total",
        help: "How often it was asked.",
        kind: Kind::Counter,
    };

    #[test]
    fn series_of_one_name_stand_together_under_one_description() {
        let metrics = Metrics::default();
        let odd = Description {
            name: "koyalite_odd",
            help: "Oddity.",
            kind: Kind::Gauge,
        };
        metrics
            .labelled(ASKED, vec![("by", "b".to_owned())])
            .store(2, Ordering::Relaxed);
        metrics.number(odd).store(7, Ordering::Relaxed);
        metrics
            .labelled(ASKED, vec![("by", "a \"quoted\"".to_owned())])
            .store(1, Ordering::Relaxed);
        metrics
            .labelled(ASKED, vec![("by", "b".to_owned())])
            .fetch_add(1, Ordering::Relaxed);
        assert_eq!(
            metrics.render(),
            "# HELP koyalite_asked_total How often it was asked.\n\
             # TYPE koyalite_asked_total counter\n\
             koyalite_asked_total{by=\"a \\\"quoted\\\"\"} 1\n\
             koyalite_asked_total{by=\"b\"} 3\n\
             # HELP koyalite_odd Oddity.\n# TYPE koyalite_odd gauge\nkoyalite_odd 7\n"
        );
    }
}
