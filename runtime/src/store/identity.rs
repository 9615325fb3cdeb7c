//! Nodes of one installation share one store. It has a number of its own, in an object; the database knows which
//! number is meant. A node whose store is another one would answer for components and files that it does not
//! have, so it does not start, and says why.

use anyhow::{Context as _, bail};
use bytes::Bytes;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt as _, PutMode};
use uuid::Uuid;

use super::StoreChoice;
use crate::registry::Registry;

/// The object with the number.
const NAME: &str = "koyalite-store";

/// That this store is the installation's, or becomes it where there was none before.
///
/// # Errors
/// When the store or the database does not answer, or the store is another one.
pub async fn recognise(
    registry: &Registry,
    objects: &dyn ObjectStore,
    choice: &StoreChoice,
) -> anyhow::Result<()> {
    let unreachable = || format!("the object store does not answer ({})", place(choice));
    let here = number(objects).await.with_context(unreachable)?;
    let meant = registry.known_store().await?;
    let here = match (here, meant) {
        (Some(here), _) => here,
        (None, Some(_)) => bail!(stranger(choice)),
        (None, None) => make(objects).await.with_context(unreachable)?,
    };
    // Of two nodes that start at once, one is first.
    match registry.claim_store(here).await? == here {
        true => Ok(()),
        false => bail!(stranger(choice)),
    }
}

async fn number(objects: &dyn ObjectStore) -> anyhow::Result<Option<Uuid>> {
    let read = match objects.get(&Path::from(NAME)).await {
        Ok(found) => found.bytes().await,
        Err(object_store::Error::NotFound { .. }) => return Ok(None),
        Err(error) => Err(error),
    };
    let text = read?;
    let number = Uuid::try_parse_ascii(text.trim_ascii());
    Ok(Some(number.with_context(|| {
        format!("the object {NAME} is not a store's number")
    })?))
}

async fn make(objects: &dyn ObjectStore) -> anyhow::Result<Uuid> {
    let new = Uuid::now_v7();
    let text = Bytes::from(new.to_string());
    let name = Path::from(NAME);
    let put = objects.put_opts(&name, text.into(), PutMode::Create.into());
    match put.await {
        Ok(_) => Ok(new),
        Err(object_store::Error::AlreadyExists { .. }) => {
            let first = number(objects).await?;
            first.with_context(|| format!("the object {NAME} comes and goes"))
        }
        Err(error) => Err(error.into()),
    }
}

fn place(choice: &StoreChoice) -> String {
    match choice {
        StoreChoice::Folder(folder) => folder.display().to_string(),
        StoreChoice::Bucket(bucket) => bucket.to_string(),
    }
}

fn stranger(choice: &StoreChoice) -> String {
    let place = place(choice);
    let what = match choice {
        StoreChoice::Folder(_) => {
            "a folder is for one node: name a bucket with `store` on all of them, or one folder that they share"
        }
        StoreChoice::Bucket(_) => "name the same bucket on all nodes",
    };
    format!(
        "{place} is not the object store of this database's other nodes; {what}. After a move, copy all objects \
         first, {NAME} among them"
    )
}
