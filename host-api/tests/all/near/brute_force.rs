//! Random rows of random owners, and what comparing them all by hand says.

use koyalite_host_api::vectors::{Metric, Precision, SearchQuery};
use proptest::prelude::*;
use tokio::runtime::Handle;

use super::{add, ids, near, own, row};
use crate::support::random::Run;
use crate::support::{Owner, TestDatabase, filter};

/// Owner and vector of each row.
type Rows = Vec<(bool, [f32; 3])>;

fn cases() -> impl Strategy<Value = (Rows, [f32; 3], u32, i64)> {
    let number = prop_oneof![
        3 => -2.0_f32..2.0,
        1 => prop::sample::select(vec![0.0_f32, 1.0, -1.0, 1e-3, 1e3]),
    ];
    let vector = prop::array::uniform3(number);
    let rows = prop::collection::vec((any::<bool>(), vector.clone()), 0..40);
    (rows, vector, 1_u32..12, 0_i64..40)
}

fn by_hand(metric: Metric, a: &[f32; 3], b: &[f32; 3]) -> f64 {
    let pairs = || a.iter().zip(b).map(|(a, b)| (f64::from(*a), f64::from(*b)));
    let product: f64 = pairs().map(|(a, b)| a * b).sum();
    let length = |v: &[f32; 3]| v.iter().map(|n| f64::from(*n).powi(2)).sum::<f64>().sqrt();
    match metric {
        Metric::L2 => pairs().map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt(),
        Metric::InnerProduct => -product,
        Metric::Cosine => 1.0 - product / (length(a) * length(b)),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_found_is_what_comparing_by_hand_finds() {
    let db = TestDatabase::new().await;
    let demo = own(&db).await;
    let (ann, bob) = (Owner::new(), Owner::new());
    let test = |(rows, asked, k, below): (Rows, [f32; 3], u32, i64)| {
        let work = async {
            let empty = format!("TRUNCATE {}.documents", demo.access.schema);
            db.admin.batch_execute(&empty).await.unwrap();
            for (owner, is_anns) in [(&ann, true), (&bob, false)] {
                let theirs = (0_i64..).zip(&rows).filter(|(_, row)| row.0 == is_anns);
                add(
                    &demo,
                    owner,
                    theirs.map(|(id, it)| row(id, owner, &it.1)).collect(),
                )
                .await;
            }
            for metric in Metric::ALL {
                if metric == Metric::Cosine && asked == [0.0; 3] {
                    continue;
                }
                let mine = (0_i64..)
                    .zip(&rows)
                    .filter(|(id, row)| row.0 && *id < below);
                let mut mine: Vec<f64> = mine
                    .map(|(_, row)| by_hand(metric, &asked, &row.1))
                    .collect();
                mine.sort_by(|a, b| a.abs().is_nan().cmp(&b.is_nan()).then(a.total_cmp(b)));
                mine.truncate(k as usize);
                let query = SearchQuery {
                    filter: filter(&format!("id < {below}"), vec![]),
                    precision: Precision::Exact,
                    ..near(metric.as_str(), &asked, k)
                };
                let found = ids(&demo, &ann.identity, &query).await;
                prop_assert_eq!(found.len(), mine.len());
                for ((id, away), expected) in found.iter().zip(&mine) {
                    let row = &rows[usize::try_from(*id).unwrap()];
                    prop_assert!(row.0 && *id < below, "row {id} is not to be seen");
                    let close = (away - expected).abs() <= 1e-3 * expected.abs().max(1.0);
                    prop_assert!(
                        close || (away.is_nan() && expected.is_nan()),
                        "{metric}: {away} where {expected} was expected"
                    );
                }
            }
            Ok(())
        };
        tokio::task::block_in_place(|| Handle::current().block_on(work))
    };
    Run::at_least(40).find(&cases(), test).unwrap();
}
