//! Requests that another region is to answer: because the function or the data live there, or because the
//! caller asks for it by `koyalite-region`. Which regions may, is decided here; the way there is `forward`.

use http::{HeaderMap, Response, request};
use koyalite_policy::{FunctionName, ProjectName};
use uuid::Uuid;

use super::choose::EVERYWHERE;
use super::error::GatewayError;
use super::find::find;
use super::headers::{self, REGION};
use super::route::Target;
use super::{Behind, Gateway, client};
use crate::forward::{ForwardError, Hop};
use crate::http::Body;
use crate::registry::{FunctionEntry, ProjectEntry};

/// Where a request is to be answered, if not here: what it is for, and the regions.
pub(super) struct Elsewhere {
    what: What,
    regions: Vec<String>,
}

enum What {
    Function(FunctionName),
    Data,
}

impl<B: Behind> Gateway<B> {
    /// Whether the caller asks for another region than this one.
    pub(super) fn asked_for(
        &self,
        parts: &request::Parts,
        (project, target): (&ProjectEntry, &Target<'_>),
    ) -> Result<Option<Elsewhere>, GatewayError> {
        let Some(wish) = wish(&parts.headers)? else {
            return Ok(None);
        };
        if wish == self.settings.region || parts.extensions.get::<Hop>().is_some() {
            return Ok(None);
        }
        let function = lookup(project, target)
            .ok_or_else(|| GatewayError::UnknownFunction(project.name.clone()))?;
        match may_run(project, function, wish) {
            true => Ok(Some(Elsewhere {
                what: What::Function(function.name.clone()),
                regions: vec![wish.to_owned()],
            })),
            false => Err(GatewayError::WrongRegion {
                function: function.name.clone(),
                regions: regions(project, function),
            }),
        }
    }

    /// What becomes of a refusal: a function that does not live here may be called where it does.
    pub(super) fn instead(
        &self,
        refused: GatewayError,
        parts: &request::Parts,
        target: &Target<'_>,
    ) -> Result<Elsewhere, GatewayError> {
        let GatewayError::WrongRegion { function, .. } = &refused else {
            return Err(refused);
        };
        // Who asks for this region is told that it is the wrong one; who came by a hop is not sent on.
        if parts.extensions.get::<Hop>().is_some() || parts.headers.contains_key(REGION) {
            return Err(refused);
        }
        let project = self.behind.project(&target.project);
        let there = project.as_deref().and_then(|project| {
            let function = lookup(project, target)?;
            Some(regions(project, function))
        });
        Ok(Elsewhere {
            what: What::Function(function.clone()),
            regions: there.unwrap_or_default(),
        })
    }

    /// Where a project's data are, its files and its people, if not here.
    pub(super) fn data_elsewhere(
        &self,
        parts: &request::Parts,
        project: &ProjectName,
    ) -> Option<Elsewhere> {
        let project = self.behind.project(project)?;
        let is_here = project.settings.allows_region(&self.settings.region);
        if is_here || parts.extensions.get::<Hop>().is_some() {
            return None;
        }
        Some(Elsewhere {
            what: What::Data,
            regions: project.settings.data_residency.clone(),
        })
    }

    /// Has a request answered there.
    pub(super) async fn forward(
        &self,
        id: Uuid,
        elsewhere: Elsewhere,
        (mut parts, body): (request::Parts, Body),
    ) -> Result<Response<Body>, GatewayError> {
        let Elsewhere { what, regions } = elsewhere;
        let client = client::address(&parts, &self.settings.proxies);
        headers::for_next_node(&mut parts.headers);
        Hop::begin(&mut parts, id, client);
        parts.version = http::Version::HTTP_2;
        let request = http::Request::from_parts(parts, body);
        match self.behind.forward(&regions, request).await {
            Ok(mut response) => {
                headers::from_next_node(response.headers_mut());
                Ok(response)
            }
            Err(ForwardError::Off) => Err(match what {
                What::Function(function) => GatewayError::WrongRegion { function, regions },
                What::Data => GatewayError::DataElsewhere(regions),
            }),
            Err(ForwardError::Nobody) => Err(GatewayError::RegionAway(regions)),
            Err(ForwardError::Broken) => Err(GatewayError::HopFailed),
        }
    }
}

/// The region that the caller asks for.
fn wish(headers: &HeaderMap) -> Result<Option<&str>, GatewayError> {
    let mut values = headers.get_all(REGION).iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => {
            let text = value.to_str().ok().map(str::trim);
            let text = text.filter(|text| !text.is_empty());
            text.map(Some).ok_or(GatewayError::BadRegion)
        }
        (Some(_), Some(_)) => Err(GatewayError::BadRegion),
    }
}

fn lookup<'a>(project: &'a ProjectEntry, target: &Target<'_>) -> Option<&'a FunctionEntry> {
    let functions = project.functions.iter();
    let paths = functions.map(|it| (it.active.manifest.path.as_str(), it.as_ref()));
    Some(find(paths, target.rest)?.function)
}

/// Whether a function may run in a region: it is deployed there, and its project's data may be there.
fn may_run(project: &ProjectEntry, function: &FunctionEntry, region: &str) -> bool {
    let mut deployed = function.active.manifest.region.iter();
    deployed.any(|name| name == EVERYWHERE || name == region)
        && project.settings.allows_region(region)
}

/// Where it may run, by name; all that its project allows where it is deployed everywhere.
fn regions(project: &ProjectEntry, function: &FunctionEntry) -> Vec<String> {
    let deployed = &function.active.manifest.region;
    let candidates = match deployed.iter().any(|name| name == EVERYWHERE) {
        true => &project.settings.data_residency,
        false => deployed,
    };
    let mut regions = candidates.clone();
    regions.retain(|region| may_run(project, function, region));
    regions
}
