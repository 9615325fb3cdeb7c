//! Which object store is this installation's: one number, kept by whoever comes first.

use uuid::Uuid;

use super::Registry;
use super::error::RegistryError;

impl Registry {
    /// The number of the store, where there is one yet.
    ///
    /// # Errors
    /// `Unavailable` or `Internal`.
    pub async fn known_store(&self) -> Result<Option<Uuid>, RegistryError> {
        let known = sqlx::query_scalar!("SELECT id FROM koyalite.object_store");
        Ok(known.fetch_optional(&self.pool).await?)
    }

    /// Makes a store the installation's, unless there is one; which one it is then.
    ///
    /// # Errors
    /// `Unavailable` or `Internal`.
    pub async fn claim_store(&self, store: Uuid) -> Result<Uuid, RegistryError> {
        sqlx::query!(
            "INSERT INTO koyalite.object_store (id) VALUES ($1) ON CONFLICT (one) DO NOTHING",
            store,
        )
        .execute(&self.pool)
        .await?;
        let known = self.known_store().await?;
        Ok(known.unwrap_or(store))
    }
}
