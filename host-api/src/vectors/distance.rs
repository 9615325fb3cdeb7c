//! How far apart two vectors are, as pgvector works it out: in single precision, but for the last step.

use super::Metric;

/// Lanes that are summed up beside each other, so that the compiler may use the machine's own.
const LANES: usize = 8;

/// The distance of two vectors of one length. NaN, the farthest of all, where there is none.
pub(crate) fn distance(metric: Metric, a: &[f32], b: &[f32]) -> f64 {
    let distance = match metric {
        Metric::L2 => f64::from(summed(a, b, |a, b| (a - b) * (a - b))).sqrt(),
        Metric::InnerProduct => -f64::from(summed(a, b, |a, b| a * b)),
        Metric::Cosine => {
            let product = f64::from(summed(a, b, |a, b| a * b));
            let lengths =
                f64::from(summed(a, a, |a, b| a * b)) * f64::from(summed(b, b, |a, b| a * b));
            1.0 - (product / lengths.sqrt()).clamp(-1.0, 1.0)
        }
    };
    // Not a number has two signs, and only one of them comes last.
    match distance.is_nan() {
        true => f64::NAN,
        false => distance,
    }
}

fn summed(a: &[f32], b: &[f32], each: impl Fn(f32, f32) -> f32) -> f32 {
    let (mut left, mut right) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
    let mut lanes = [0.0_f32; LANES];
    for (a, b) in left.by_ref().zip(right.by_ref()) {
        for (sum, (a, b)) in lanes.iter_mut().zip(a.iter().zip(b)) {
            *sum += each(*a, *b);
        }
    }
    let rest = left.remainder().iter().zip(right.remainder());
    let rest: f32 = rest.map(|(a, b)| each(*a, *b)).sum();
    lanes.iter().sum::<f32>() + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_are_those_that_everybody_knows() {
        let check = |metric, a: &[f32], b: &[f32], expected: f64| {
            let found = distance(metric, a, b);
            assert!((found - expected).abs() < 1e-6, "{metric}: {found}");
        };
        check(Metric::L2, &[0.0, 0.0], &[3.0, 4.0], 5.0);
        check(Metric::InnerProduct, &[1.0, 2.0], &[3.0, 4.0], -11.0);
        check(Metric::Cosine, &[1.0, 0.0], &[0.0, 2.0], 1.0);
        check(Metric::Cosine, &[1.0, 1.0], &[2.0, 2.0], 0.0);
        check(Metric::Cosine, &[1.0, 0.0], &[-3.0, 0.0], 2.0);
        let long: Vec<f32> = (0_u8..19).map(f32::from).collect();
        check(Metric::InnerProduct, &long, &long, -2109.0);
        assert!(distance(Metric::Cosine, &[1.0], &[0.0]).is_nan());
    }
}
