//! Vectors of words, as somebody has learnt them from texts (GloVe): a file of numbers in numpy's format, column by
//! column, the most frequent words first.
//!
//! The first so many are rows, the others are searched for. Each belongs to the nearest of some of the rows, its
//! cluster: so a tenant's words are of the same kind, as its documents would be.

use std::path::Path;

use anyhow::{Context, ensure};

use super::data::{Asked, CLUSTERS};

/// What every such file begins with; behind it is the length of its head in two bytes.
const MAGIC: &[u8] = b"\x93NUMPY\x01\x00";

/// Words that are searched for come of so many: one of a thousand tenants has some of them too.
const SEARCHED: usize = 40_000;

/// The words, each of length one.
pub(super) struct Words {
    dimensions: usize,
    numbers: Vec<f32>,
    clusters: Vec<i64>,
}

impl Words {
    /// Reads as many as it takes for so many rows.
    ///
    /// # Errors
    /// Where the file is no such one, or has too few.
    pub(super) fn read(file: &Path, rows: u32) -> anyhow::Result<Self> {
        let bytes = std::fs::read(file).with_context(|| format!("no {}", file.display()))?;
        let read = Matrix::read(&bytes).context("the words are not in numpy's format")?;
        let count = read.rows.min(rows as usize + SEARCHED);
        ensure!(count > rows as usize, "there are fewer than {rows} words");
        let places = (0..count).flat_map(|row| (0..read.columns).map(move |column| (row, column)));
        let mut words = Self {
            dimensions: read.columns,
            numbers: places.map(|place| read.at(place)).collect(),
            clusters: Vec::new(),
        };
        words
            .numbers
            .chunks_exact_mut(read.columns)
            .for_each(to_one);
        words.clusters = words.nearest_of(rows as usize);
        Ok(words)
    }

    pub(super) fn dimensions(&self) -> usize {
        self.dimensions
    }

    pub(super) fn count(&self) -> i64 {
        i64::try_from(self.clusters.len()).unwrap_or(i64::MAX)
    }

    pub(super) fn cluster(&self, id: i64) -> i64 {
        let place = usize::try_from(id).unwrap_or(usize::MAX);
        self.clusters.get(place).copied().unwrap_or_default()
    }

    pub(super) fn vector(&self, id: i64) -> Asked {
        let place = usize::try_from(id).unwrap_or(usize::MAX);
        let mut all = self.numbers.chunks_exact(self.dimensions);
        all.nth(place).map(<[f32]>::to_vec).unwrap_or_default()
    }

    /// For each word, which of some rows it is nearest to: words that are neither the rarest nor all alike.
    fn nearest_of(&self, rows: usize) -> Vec<i64> {
        let all = || self.numbers.chunks_exact(self.dimensions);
        let stride = (rows / CLUSTERS as usize).max(1);
        let middles = all().take(rows).step_by(stride).take(CLUSTERS as usize);
        let middles: Vec<&[f32]> = middles.collect();
        let nearest = |word: &[f32]| {
            let near = (0..).zip(middles.iter().map(|middle| product(middle, word)));
            let best = near.max_by(|(_, one), (_, other)| one.total_cmp(other));
            best.map_or(0, |(cluster, _)| cluster)
        };
        all().map(nearest).collect()
    }
}

fn product(one: &[f32], other: &[f32]) -> f32 {
    one.iter().zip(other).map(|(a, b)| a * b).sum()
}

fn to_one(vector: &mut [f32]) {
    let length = product(vector, vector).sqrt();
    if length > 0.0 {
        vector.iter_mut().for_each(|number| *number /= length);
    }
}

/// Numbers, column by column.
struct Matrix<'a> {
    rows: usize,
    columns: usize,
    numbers: &'a [u8],
}

impl<'a> Matrix<'a> {
    fn read(file: &'a [u8]) -> Option<Self> {
        let [low, high, rest @ ..] = file.strip_prefix(MAGIC)? else {
            return None;
        };
        let (head, numbers) = rest.split_at_checked(u16::from_le_bytes([*low, *high]).into())?;
        let head = std::str::from_utf8(head).ok()?;
        let known = head.contains("'<f4'") && head.contains("'fortran_order': True");
        let (_, shape) = head.split_once("'shape': (")?;
        let (rows, columns) = shape.split_once(')')?.0.split_once(", ")?;
        let (rows, columns): (usize, usize) = (rows.parse().ok()?, columns.parse().ok()?);
        let whole = columns > 0 && numbers.len() == rows.checked_mul(columns)?.checked_mul(4)?;
        (known && whole).then_some(Self {
            rows,
            columns,
            numbers,
        })
    }

    fn at(&self, (row, column): (usize, usize)) -> f32 {
        let at = (column * self.rows + row) * 4;
        let four = self.numbers.get(at..at + 4).unwrap_or_default();
        f32::from_le_bytes(four.try_into().unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_read_and_belong_to_what_is_near() {
        let head = "{'descr': '<f4', 'fortran_order': True, 'shape': (4, 2), }\n";
        let mut file = MAGIC.to_vec();
        file.extend(u16::try_from(head.len()).unwrap().to_le_bytes());
        file.extend(head.as_bytes());
        for number in [2.0_f32, 0.0, 0.1, 5.0, 0.0, 3.0, 9.0, 0.2] {
            file.extend(number.to_le_bytes());
        }
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("words.npy");
        std::fs::write(&path, file).unwrap();
        let words = Words::read(&path, 2).unwrap();
        assert_eq!((words.dimensions(), words.count()), (2, 4));
        assert_eq!(words.vector(1), [0.0, 1.0]);
        assert_eq!([0, 1, 2, 3].map(|id| words.cluster(id)), [0, 1, 1, 0]);
        assert!(
            Words::read(&path, 4).is_err(),
            "nothing is left to search for"
        );
        std::fs::write(&path, "words").unwrap();
        assert!(Words::read(&path, 1).is_err());
    }
}
