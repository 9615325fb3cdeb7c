//! A deploy: bytes are admitted by the engine, kept in the object store, and only then recorded.
//!
//! In this order a crash leaves an object that nobody names, never a version without its component.

use axum::extract::State;
use bytes::Bytes;
use koyalite_policy::FunctionName;
use object_store::{ObjectStore, ObjectStoreExt as _, PutMode, PutPayload};

use crate::engine::{self, Admitted};
use crate::http::Code;
use crate::registry::deploy::terms::Terms;
use crate::registry::functions::{self, DeployInput, Deployed};
use crate::registry::manifest::Limits;
use crate::registry::{Manifest, Mistake, ProjectEntry, RegistryError};

use super::answer::Either;
use super::auth::Operator;
use super::deployments::DeployQuery;
use super::error::ApiError;
use super::extract::{Asked, At, InProject, name};
use super::functions::{WithUrl, with_url};
use super::unchanged::Unchanged;
use super::upload::Upload;
use super::{Control, Shared};

pub(super) async fn deploy(
    State(control): State<Shared>,
    InProject(project): InProject,
    At((_, wanted)): At<(String, String)>,
    operator: Operator,
    (Asked(terms), (Unchanged(condition), upload)): (Asked<DeployQuery>, (Unchanged, Upload)),
) -> Result<Either<WithUrl<Deployed>>, ApiError> {
    let what = What {
        component: upload.component,
        manifest: upload.manifest,
        source_url: None,
        terms: Terms {
            condition,
            ..terms.read()?
        },
    };
    admit(&control, &project, (name(&wanted)?, what), &operator).await
}

/// What is to serve.
pub(super) struct What {
    pub(super) component: Bytes,
    pub(super) manifest: Option<Manifest>,
    /// Where it was fetched from; none: it was sent.
    pub(super) source_url: Option<String>,
    /// For which share of the calls, and why.
    pub(super) terms: Terms,
}

/// Makes it serve, wherever it comes from.
pub(super) async fn admit(
    control: &Control,
    project: &ProjectEntry,
    (wanted, what): (FunctionName, What),
    operator: &Operator,
) -> Result<Either<WithUrl<Deployed>>, ApiError> {
    let component = what.component.clone();
    let input = prepare(control, project, (wanted, what), operator).await?;
    let sha256 = input.sha256.clone();
    let deployed = functions::deploy(&control.registry, input)
        .await
        .map_err(ApiError::invalid_as(Code::InvalidManifest))?;
    // Whoever has just removed the last other use of it may have taken it away in between.
    keep(control.objects.as_ref(), &sha256, component).await?;
    Ok(match deployed.changed {
        true => Either::Created(with_url(control, project, deployed)),
        false => Either::Found(with_url(control, project, deployed)),
    })
}

/// Has the engine judge it and keeps its bytes: all that comes before it is recorded.
pub(super) async fn prepare(
    control: &Control,
    project: &ProjectEntry,
    (wanted, what): (FunctionName, What),
    operator: &Operator,
) -> Result<DeployInput, ApiError> {
    let manifest = match what.manifest {
        Some(manifest) => {
            within_caps(manifest.limits, control.caps)?;
            Some(manifest)
        }
        None => first_manifest(control, project, &wanted).await?,
    };
    let admitted = control.engine.admit(what.component.clone()).await?;
    keep(control.objects.as_ref(), &admitted.sha256, what.component).await?;
    let Admitted {
        sha256,
        imports,
        exports,
        handler,
        scheduled,
        shared,
    } = admitted;
    Ok(DeployInput {
        project: project.name.clone(),
        name: wanted,
        deployer: operator.user_id(&control.registry),
        sha256,
        imports,
        exports,
        handler,
        scheduled,
        shared_refused: shared.err().map(|reason| reason.to_string()),
        manifest,
        source_url: what.source_url,
        terms: what.terms,
    })
}

/// The manifest of a function that is deployed for the first time and without one: the usual, or
/// what the operator allows where that is less. Later deploys inherit.
async fn first_manifest(
    control: &Control,
    project: &ProjectEntry,
    wanted: &FunctionName,
) -> Result<Option<Manifest>, ApiError> {
    match functions::get(&control.registry, &project.name, wanted).await {
        Ok(_) => Ok(None),
        Err(RegistryError::NotFound { .. }) => {
            let mut manifest = Manifest::default_for(wanted);
            manifest.limits = manifest.limits.at_most(control.caps);
            Ok(Some(manifest))
        }
        Err(error) => Err(error.into()),
    }
}

/// Refuses limits above the operator's, all of them at once. The registry has checked them against
/// what any node can give.
fn within_caps(limits: Limits, caps: Limits) -> Result<(), ApiError> {
    let over = [
        ("limits.memory_mib", limits.memory_mib, caps.memory_mib),
        ("limits.cpu_ms", limits.cpu_ms, caps.cpu_ms),
        (
            "limits.first_byte_ms",
            limits.first_byte_ms,
            caps.first_byte_ms,
        ),
        ("limits.silence_ms", limits.silence_ms, caps.silence_ms),
        ("limits.wall_ms", limits.wall_ms, caps.wall_ms),
        ("limits.body_mib", limits.body_mib, caps.body_mib),
        // Who asks for none has what there is.
        (
            "limits.concurrency",
            limits.concurrency.unwrap_or_default(),
            caps.concurrency.unwrap_or(u64::MAX),
        ),
        ("limits.host_calls", limits.host_calls, caps.host_calls),
        (
            "limits.outbound_requests",
            limits.outbound_requests,
            caps.outbound_requests,
        ),
        ("limits.log_kib", limits.log_kib, caps.log_kib),
        ("limits.select_rows", limits.select_rows, caps.select_rows),
        (
            "limits.statement_ms",
            limits.statement_ms,
            caps.statement_ms,
        ),
        ("limits.outbound_ms", limits.outbound_ms, caps.outbound_ms),
    ];
    let errors: Vec<_> = over
        .into_iter()
        .filter(|(_, wanted, cap)| wanted > cap)
        .map(|(field, _, cap)| Mistake::new(field, format!("this node's operator allows {cap}")))
        .collect();
    if errors.is_empty() {
        return Ok(());
    }
    Err(ApiError::invalid_as(Code::InvalidManifest)(
        RegistryError::Invalid { errors },
    ))
}

/// Stores the component unless it is there: its name is its hash, so what is there is the same.
pub(super) async fn keep(
    objects: &dyn ObjectStore,
    sha256: &str,
    component: Bytes,
) -> Result<(), ApiError> {
    let path = engine::object_path(sha256);
    if objects.head(&path).await.is_ok() {
        return Ok(());
    }
    let put = objects
        .put_opts(&path, PutPayload::from(component), PutMode::Create.into())
        .await;
    match put {
        Ok(_) | Err(object_store::Error::AlreadyExists { .. }) => Ok(()),
        Err(error) => Err(ApiError::Store(error)),
    }
}

#[cfg(test)]
mod tests {
    use object_store::memory::InMemory;

    use super::*;

    #[test]
    fn limits_above_the_operators_are_refused_together() {
        let caps = Limits {
            memory_mib: 128,
            cpu_ms: 2_000,
            first_byte_ms: 30_000,
            silence_ms: 60_000,
            concurrency: Some(100),
            ..Limits::DEFAULT
        };
        assert!(within_caps(Limits::DEFAULT, caps).is_ok());
        let greedy = Limits {
            memory_mib: 256,
            cpu_ms: 2_001,
            concurrency: Some(101),
            host_calls: 1_001,
            outbound_requests: 51,
            log_kib: 65,
            select_rows: 1_001,
            statement_ms: 5_001,
            outbound_ms: 10_001,
            ..Limits::DEFAULT
        };
        let problem = within_caps(greedy, caps).unwrap_err().problem();
        assert_eq!(problem.errors.len(), 9);
    }

    #[tokio::test]
    async fn a_component_is_stored_once() {
        let objects = InMemory::new();
        for _ in 0..2 {
            keep(&objects, "ab12", Bytes::from_static(b"\0asm"))
                .await
                .unwrap();
        }
        let stored = objects.get(&engine::object_path("ab12")).await.unwrap();
        assert_eq!(stored.bytes().await.unwrap(), Bytes::from_static(b"\0asm"));
    }
}
