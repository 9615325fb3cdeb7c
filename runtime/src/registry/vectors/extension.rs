//! The extension `vector`: made at the start where the server has it and we may, and its age looked at.

use crate::registry::error::RegistryError;
use crate::registry::pool::Pool;

/// Versions before this one lose rows of an index, or fail to insert, under vacuum.
const GOOD_SINCE: [u32; 3] = [0, 8, 4];

/// Makes the extension where the server offers it and nobody has, and says what there is to say of it.
///
/// # Errors
/// `Unavailable` where the database is away.
pub(crate) async fn make(pool: &Pool) -> Result<(), RegistryError> {
    if version(pool).await?.is_none() && is_offered(pool).await? {
        // Of several nodes that start at once, one makes it. Without the right to, it is for a superuser.
        let made = sqlx::query("CREATE EXTENSION IF NOT EXISTS vector SCHEMA koyalite_vector");
        if let Err(error) = made.execute(pool).await {
            tracing::info!(
                %error,
                "pgvector is installed, and this role may not create it: vectors are compared one by \
                 one until a superuser runs `CREATE EXTENSION vector SCHEMA koyalite_vector`"
            );
        }
    }
    if let Some(version) = version(pool).await?
        && is_old(&version)
    {
        tracing::warn!(
            version,
            "this pgvector has faults that lose rows of vector indexes; production wants 0.8.4 or later"
        );
    }
    Ok(())
}

async fn version(pool: &Pool) -> Result<Option<String>, RegistryError> {
    let known = sqlx::query_scalar!("SELECT extversion FROM pg_extension WHERE extname = 'vector'");
    Ok(known.fetch_optional(pool).await?)
}

async fn is_offered(pool: &Pool) -> Result<bool, RegistryError> {
    let offered = sqlx::query_scalar!(
        r#"SELECT EXISTS (SELECT FROM pg_available_extensions WHERE name = 'vector') AS "offered!""#
    );
    Ok(offered.fetch_one(pool).await?)
}

/// Whether a version is one of those before the faults were mended. What cannot be read is new.
fn is_old(version: &str) -> bool {
    let parts: Option<Vec<u32>> = version.split('.').map(|part| part.parse().ok()).collect();
    parts.is_some_and(|parts| parts.as_slice() < GOOD_SINCE.as_slice())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_before_the_faults_were_mended_are_old() {
        for (version, old) in [
            ("0.7.4", true),
            ("0.8.0", true),
            ("0.8.3", true),
            ("0.8.4", false),
            ("0.8.6", false),
            ("0.10.0", false),
            ("1.0", false),
            ("next", false),
        ] {
            assert_eq!(is_old(version), old, "{version}");
        }
    }
}
