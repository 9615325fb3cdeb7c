//! Where objects lie: components, and the contents of files. A folder of this node, or a bucket that all nodes
//! share, spoken to as S3.
//!
//! `bucket` is what the operator says of one, `wire` the connections to it, `identity` how nodes notice that they
//! do not share one. The connections are the operator's: they go where the configuration says and pass by
//! `egress`, and nothing that a guest or a caller says becomes a part of an address but the ids that we made.
//! It never knows what an object means.

mod bucket;
mod identity;
mod wire;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use object_store::ObjectStore;
use object_store::local::LocalFileSystem;
use object_store::multipart::MultipartStore;

pub use self::bucket::{Authorities, Bucket};
pub use self::identity::recognise;

/// Which store this node uses.
#[derive(Debug, Clone)]
pub enum StoreChoice {
    /// A folder. Nodes share it only where it is one of a network.
    Folder(PathBuf),
    /// A bucket.
    Bucket(Arc<Bucket>),
}

/// A store that is open. Cheap to clone.
#[derive(Clone)]
pub struct Objects {
    /// Its objects, by key.
    pub store: Arc<dyn ObjectStore>,
    /// The same as one that begins uploads of several parts by name; none for a folder.
    pub parts: Option<Arc<dyn MultipartStore>>,
    /// The folder that it is.
    pub folder: Option<PathBuf>,
}

/// Opens a store. A bucket is not asked yet.
///
/// # Errors
/// When the folder cannot be made, or the settings of the bucket do not go together.
pub fn open(choice: &StoreChoice) -> anyhow::Result<Objects> {
    match choice {
        StoreChoice::Folder(folder) => open_folder(folder),
        StoreChoice::Bucket(bucket) => {
            let opened = bucket.open();
            let opened = opened.with_context(|| format!("{bucket} cannot be used"))?;
            let opened = Arc::new(opened);
            Ok(Objects {
                store: Arc::<bucket::Opened>::clone(&opened),
                parts: Some(opened),
                folder: None,
            })
        }
    }
}

fn open_folder(folder: &Path) -> anyhow::Result<Objects> {
    std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    // What was acknowledged outlives a power cut, so it waits for the disk.
    let store = LocalFileSystem::new_with_prefix(folder)?.with_fsync(true);
    Ok(Objects {
        store: Arc::new(store),
        parts: None,
        folder: Some(folder.to_owned()),
    })
}
