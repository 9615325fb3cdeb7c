//! Claims and policies that a file wants, once the tables are there and before anything of them goes.

use uuid::Uuid;

use super::super::error::RegistryError;
use super::super::{claims, policies};
use super::SchemaFile;
use super::plan::Action;
use super::work::Work;

/// Declares the claims and brings the policies about.
pub(super) async fn apply(
    work: &mut Work<'_>,
    file: &SchemaFile,
    by: Uuid,
) -> Result<(), RegistryError> {
    let before = claims::load(work.change.conn(), work.project.id).await?;
    let declared = file.claims.as_ref().unwrap_or(&before);
    // While policies change one by one, some read what was declared and some what will be.
    let both = claims::either(&before, declared);
    claims::replace_in(&mut work.change, &work.project, &both).await?;
    apply_policies(work, file, by).await?;
    claims::replace_in(&mut work.change, &work.project, declared).await?;
    if *declared != before {
        let names: Vec<&str> = declared.0.keys().map(String::as_str).collect();
        work.did(Action::DeclareClaims, "claims", &names.join(", "), None);
    }
    Ok(())
}

async fn apply_policies(
    work: &mut Work<'_>,
    file: &SchemaFile,
    by: Uuid,
) -> Result<(), RegistryError> {
    let existing = policies::sources(work.change.conn(), work.project.id).await?;
    for (index, new) in file.policies.iter().enumerate() {
        let label = format!("{}: {}", new.table, new.name);
        let found = existing
            .iter()
            .find(|p| p.table == new.table && p.name == new.name);
        let wanted = new.source(found.map_or_else(Uuid::nil, |found| found.id));
        let (change, project) = (&mut work.change, &work.project);
        let (action, saved) = match found {
            Some(found) if *found == wanted => continue,
            Some(_) => {
                let saved = policies::update_in(change, project, &wanted).await;
                (Action::ChangePolicy, saved)
            }
            None => {
                let made = policies::create_in(change, project, new, by).await;
                (Action::CreatePolicy, made.map(|(_, warnings)| warnings))
            }
        };
        let warnings = saved.map_err(|error| error.under(&format!("policies[{index}]")))?;
        let warnings = warnings.into_iter().map(|w| format!("{label}: {w}"));
        work.plan.warnings.extend(warnings);
        work.done(action, label);
    }
    Ok(())
}
