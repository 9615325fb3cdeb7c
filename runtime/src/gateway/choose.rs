//! From a routed request to what will run: the function, its version, and as whom.
//!
//! The order is deliberate: nothing about a function's versions is said to a caller whose token is
//! broken, and nothing about its callers is asked in a region where it does not live.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use http::{HeaderMap, Request};
use koyalite_host_api::Usage;
use koyalite_policy::Identity;
use uuid::Uuid;

use super::auth::{self, Caller, Callers, Credential, Trust};
use super::error::GatewayError;
use super::find::{Found, Wish, find};
use super::headers::VERSION;
use super::route::{Style, Target};
use super::share;
use crate::dispatch::{HttpCall, Selected};
use crate::http::Body;
use crate::registry::manifest::Verify;
use crate::registry::{Environment, FunctionEntry, Handler, ProjectEntry, VersionEntry};

/// A region list entry that means all of them.
pub(super) const EVERYWHERE: &str = "*";

/// What will run, and as whom.
pub(super) struct Chosen {
    pub(super) selected: Selected,
    pub(super) identity: Identity,
    pub(super) credential: Credential,
    pub(super) base_path: String,
    pub(super) style: Style,
    pub(super) shown: Shown,
}

/// How the version was come by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shown {
    /// As anybody may.
    Openly,
    /// By a preview URL.
    ByPreview,
}

/// What a request says about the version that it wants.
pub(super) struct Asking<'a> {
    pub(super) headers: &'a HeaderMap,
    /// The request's.
    pub(super) id: Uuid,
    /// The version that a preview URL opens.
    pub(super) preview: Option<u32>,
}

/// A function that may serve here, before anything is known of the caller.
#[derive(Debug)]
pub(super) struct Placed {
    function: Arc<FunctionEntry>,
    wish: Option<Wish>,
    base_path: String,
    style: Style,
}

impl Placed {
    pub(super) fn function(&self) -> &FunctionEntry {
        &self.function
    }
}

/// Finds the function of a target and checks that this node serves it.
pub(super) fn function(
    project: &ProjectEntry,
    target: &Target<'_>,
    region: &str,
) -> Result<Placed, GatewayError> {
    if project.environment == Environment::Prod && target.style == Style::Path {
        return Err(GatewayError::PathStyleOff);
    }
    let paths = project
        .functions
        .iter()
        .map(|f| (f.active.manifest.path.as_str(), f));
    let Found {
        function,
        matched,
        version,
    } = find(paths, target.rest)
        .ok_or_else(|| GatewayError::UnknownFunction(project.name.clone()))?;
    if !project.settings.allows_region(region) {
        let function = function.name.clone();
        let regions = project.settings.data_residency.clone();
        return Err(GatewayError::WrongRegion { function, regions });
    }
    let regions = &function.active.manifest.region;
    if !function.enabled {
        return Err(GatewayError::Disabled(function.name.clone()));
    }
    if !regions
        .iter()
        .any(|name| name == EVERYWHERE || name == region)
    {
        let function = function.name.clone();
        return Err(GatewayError::WrongRegion {
            function,
            regions: regions.clone(),
        });
    }
    Ok(Placed {
        function: Arc::clone(function),
        wish: version,
        base_path: format!("{}{matched}", target.prefix),
        style: target.style,
    })
}

/// Decides who calls and which version answers.
pub(super) fn version(
    project: Arc<ProjectEntry>,
    placed: Placed,
    asking: &Asking<'_>,
    (callers, now): (&Callers, DateTime<Utc>),
) -> Result<Chosen, GatewayError> {
    let Placed {
        function,
        wish,
        base_path,
        style,
    } = placed;
    let wish = wish_of(wish, asking.headers);
    let trust = Trust {
        project: project.id,
        environment: project.environment,
        jwt_secret: project.jwt_secret.expose(),
        providers: &project.providers,
        api_keys: &project.api_keys,
        function: &function.name,
        callers,
    };
    let caller = auth::authenticate(asking.headers, &trust, wish, now)?;
    let version = wished(&function, wish, (&caller, asking))
        .ok_or_else(|| GatewayError::UnknownVersion(function.name.clone()))?;
    match (version.manifest.verify, &caller.identity) {
        (Verify::Required, Identity::Anonymous) => {
            return Err(GatewayError::TokenNeeded(function.name.clone()));
        }
        (Verify::Required | Verify::Optional, _) => {}
    }
    if version.handler == Handler::None {
        return Err(GatewayError::NotCallable(function.name.clone()));
    }
    let version = Arc::clone(version);
    let selected = Selected {
        project,
        function,
        version,
    };
    let (identity, credential) = (caller.identity, caller.credential);
    Ok(Chosen {
        selected,
        identity,
        credential,
        base_path,
        style,
        shown: match asking.preview {
            Some(_) => Shown::ByPreview,
            None => Shown::Openly,
        },
    })
}

/// The version asked for by path, by header, or by both in agreement.
fn wish_of(by_path: Option<Wish>, headers: &HeaderMap) -> Option<Wish> {
    let by_header = headers
        .get_all(VERSION)
        .iter()
        .map(|value| match value.to_str() {
            Ok(text) => Wish::parse(text),
            Err(_) => Wish::Never,
        });
    let agree = |one: Wish, other: Wish| if one == other { one } else { Wish::Never };
    by_path.into_iter().chain(by_header).reduce(agree)
}

/// The versions that serve are anyone's to name; any other takes an operator's token, or a URL that was
/// signed for it.
fn wished<'a>(
    function: &'a FunctionEntry,
    wish: Option<Wish>,
    (caller, asking): (&Caller, &Asking<'_>),
) -> Option<&'a Arc<VersionEntry>> {
    match (wish, asking.preview) {
        (Some(Wish::Never), _) => None,
        (Some(Wish::Number(number)), Some(signed)) if number != signed => None,
        (_, Some(signed)) => function.versions.get(&signed),
        (None, None) => {
            let known = (asking.headers, asking.id);
            Some(share::pick(function, &caller.identity, known))
        }
        (Some(Wish::Number(number)), None) => match caller.credential {
            Credential::Control(_) => function.versions.get(&number),
            Credential::None | Credential::Project | Credential::Key(_) => function.serving(number),
        },
    }
}

impl Chosen {
    /// The call for the dispatcher.
    pub(super) fn call(
        self,
        request_id: Uuid,
        request: Request<Body>,
        usage: Arc<Usage>,
    ) -> HttpCall {
        HttpCall {
            selected: self.selected,
            identity: self.identity,
            request_id,
            request,
            usage,
        }
    }
}
