//! Which versions serve, and with what shares, said outright: another weight for a canary, all calls for it,
//! or any older version beside the one that serves.

use koyalite_policy::{FunctionName, ProjectName};
use serde_json::json;
use uuid::Uuid;

use super::affinity::Percent;
use super::history::{self, Deployment, Share};
use super::serve::{Deploying, Serving, carried_on, explained, serve};
use super::side_by_side;
use super::stored::{Active, StoredVersion, active, version};
use super::terms::{Cause, Terms};
use crate::registry::Registry;
use crate::registry::audit::{Action, Deed};
use crate::registry::change::Change;
use crate::registry::error::{RegistryError, Standing};
use crate::registry::manifest::Manifest;

/// The shares that are asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewShares {
    /// One or two versions; 100 percent together.
    pub versions: Vec<Share>,
    /// What else is said.
    pub terms: Terms,
    /// The number of the deployment that this one follows; none: whichever it is.
    pub after: Option<u32>,
    /// Who asks.
    pub by: Uuid,
}

/// Makes these versions serve.
///
/// # Errors
/// `Invalid` where the shares are none; `NotFound` for an unknown function or version; `Conflict` where
/// another deployment came in between.
pub async fn set(
    registry: &Registry,
    project: &ProjectName,
    name: &FunctionName,
    wanted: NewShares,
) -> Result<Deployment, RegistryError> {
    let shares = read(&wanted.versions)?;
    let mut change = Change::begin(registry).await?;
    let locked = change.lock(project).await?;
    let current = active(change.conn(), locked.id, name)
        .await?
        .ok_or_else(|| RegistryError::not_found("function", name))?;
    follows(&current, wanted.after)?;
    let mut versions = Vec::new();
    for share in &shares {
        versions.push(version(change.conn(), current.function, share.version).await?);
    }
    let (base, canary) = roles(&shares, versions, &current)?;
    let manifest = Manifest::from_stored(base.manifest.clone())?;
    let newest = canary.as_ref().map_or(&base, |(canary, _)| canary);
    let tried = Manifest::from_stored(newest.manifest.clone())?;
    side_by_side_if_two(&manifest, canary.as_ref().map(|_| &tried))?;
    let mut terms = carried_on(&wanted.terms, &current, (newest.id, &[&tried, &manifest]));
    terms.cause = Cause::Weights;
    let what = Deploying {
        project: locked.id,
        function: current.function,
        by: wanted.by,
    };
    let deed = Deed::new(Action::FunctionWeights, name).with("versions", json!(shares));
    let deed = explained(deed, &terms);
    let serving = Serving {
        base: (&base, &manifest),
        canary: canary
            .as_ref()
            .map(|(version, weight)| (version.id, *weight)),
        terms,
    };
    serve(change.conn(), what, serving).await?;
    change.deploys(locked.id);
    change.commit(deed).await?;
    history::current(registry, project, name).await
}

fn side_by_side_if_two(base: &Manifest, canary: Option<&Manifest>) -> Result<(), RegistryError> {
    canary.map_or(Ok(()), |canary| side_by_side(base, canary))
}

/// Whoever names the deployment that they have seen is refused where it serves no longer.
fn follows(current: &Active, after: Option<u32>) -> Result<(), RegistryError> {
    let serving = u32::try_from(current.deployment_number).ok();
    match after {
        Some(after) if Some(after) != serving => {
            let serving = current.deployment_number;
            let reason = format!("deployment {serving} serves by now, not {after}; look again");
            Err(RegistryError::conflict(Standing::ChangedSince, reason))
        }
        Some(_) | None => Ok(()),
    }
}

/// One share of everything, or two that make it up.
fn read(versions: &[Share]) -> Result<Vec<Share>, RegistryError> {
    let wrong = |message| Err(RegistryError::invalid("versions", message));
    match versions {
        [one] if one.weight == 100 => Ok(vec![*one]),
        [one, other] if one.version == other.version => wrong("name two different versions"),
        [one, other] if one.weight > 0 && other.weight > 0 => {
            match u32::from(one.weight) + u32::from(other.weight) {
                100 => Ok(vec![*one, *other]),
                _ => wrong("the two weights must be 100 percent together"),
            }
        }
        _ => wrong("name one version with the weight 100, or two with weights from 1 to 99"),
    }
}

/// Which of two is the canary: not the one that is active now, so that raising its weight takes nobody
/// back; else the smaller share; else the newer version.
fn roles(
    shares: &[Share],
    versions: Vec<StoredVersion>,
    current: &Active,
) -> Result<(StoredVersion, Option<(StoredVersion, Percent)>), RegistryError> {
    let mut both: Vec<(StoredVersion, Share)> =
        versions.into_iter().zip(shares.iter().copied()).collect();
    both.sort_by_key(|(version, share)| {
        let newer = std::cmp::Reverse(version.number);
        (version.id == current.version.id, share.weight, newer)
    });
    let base = both.pop().map(|(version, _)| version);
    let base = base.ok_or_else(|| RegistryError::internal("shares of no version"))?;
    let canary = both.pop().and_then(|(version, share)| {
        let weight = Percent::new(share.weight.into())?;
        Some((version, weight))
    });
    Ok((base, canary))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(shares: &[(u32, u8)], good: bool) {
        let shares: Vec<Share> = shares
            .iter()
            .map(|(version, weight)| Share {
                version: *version,
                weight: *weight,
            })
            .collect();
        assert_eq!(read(&shares).is_ok(), good, "{shares:?}");
    }

    #[test]
    fn shares_are_all_of_the_calls_of_one_version_or_two() {
        check(&[(1, 100)], true);
        check(&[(1, 90), (2, 10)], true);
        check(&[(2, 1), (1, 99)], true);
        check(&[], false);
        check(&[(1, 99)], false);
        check(&[(1, 0)], false);
        check(&[(1, 50), (1, 50)], false);
        check(&[(1, 100), (2, 0)], false);
        check(&[(1, 60), (2, 60)], false);
        check(&[(1, 200), (2, 156)], false);
        check(&[(1, 50), (2, 25), (3, 25)], false);
    }
}
