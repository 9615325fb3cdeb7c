//! What an operator may do: typed permissions, and which role holds which.
//!
//! Deny is the default: a permission is held because its line names the role, never because nothing
//! forbids it. Which route needs which permission is said once, in the table of routes.

use std::fmt;

use crate::keys::ControlRole;

macro_rules! permissions {
    ($($(#[$doc:meta])* $variant:ident $name:literal,)*) => {
        /// One thing that a control token can allow.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Permission { $($(#[$doc])* $variant,)* }

        impl Permission {
            /// All of them.
            pub const ALL: &'static [Permission] = &[$(Permission::$variant,)*];

            /// The stable name, as in a refusal.
            pub const fn as_str(self) -> &'static str {
                match self { $(Permission::$variant => $name,)* }
            }
        }
    };
}

permissions! {
    /// List projects and see one.
    ProjectRead "project:read",
    /// Make a project.
    ProjectCreate "project:create",
    /// See functions, versions and schedules.
    FunctionRead "function:read",
    /// Deploy, roll back, switch on and off.
    FunctionDeploy "function:deploy",
    /// Reach a version that is not active, through the functions listener.
    FunctionPreview "function:preview",
    /// Read what functions log: it may hold anything that their authors wrote.
    LogRead "log:read",
    /// See tables and columns (never rows).
    TableRead "table:read",
    /// Make, change and drop tables.
    TableWrite "table:write",
    /// Read and check policies.
    PolicyRead "policy:read",
    /// Make, change and delete policies.
    PolicyWrite "policy:write",
    /// Mint a project token for any subject: to act as any user of the project.
    TokenCreate "token:create",
    /// Read the node's counters.
    MetricsRead "metrics:read",
}

/// Whether the role holds the permission. Exhaustive on purpose: a new permission belongs to nobody
/// until someone decides here.
pub const fn allows(role: ControlRole, permission: Permission) -> bool {
    use ControlRole as R;
    use Permission as P;
    match permission {
        // Projects are given by an admin; what is inside them is the developers'.
        P::ProjectCreate => matches!(role, R::Admin),
        P::FunctionDeploy
        | P::FunctionPreview
        | P::TableWrite
        | P::PolicyWrite
        | P::TokenCreate => matches!(role, R::Admin | R::Developer),
        P::ProjectRead
        | P::FunctionRead
        | P::LogRead
        | P::TableRead
        | P::PolicyRead
        | P::MetricsRead => matches!(role, R::Admin | R::Developer | R::Viewer),
    }
}

impl fmt::Display for Permission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Strongest first.
    const ROLES: [ControlRole; 3] = [
        ControlRole::Admin,
        ControlRole::Developer,
        ControlRole::Viewer,
    ];

    #[test]
    fn an_admin_holds_everything_and_a_weaker_role_nothing_that_a_stronger_one_lacks() {
        for permission in Permission::ALL {
            assert!(allows(ControlRole::Admin, *permission), "{permission}");
            for pair in ROLES.windows(2) {
                let (stronger, weaker) =
                    (allows(pair[0], *permission), allows(pair[1], *permission));
                assert!(stronger || !weaker, "{permission}");
            }
        }
    }

    #[test]
    fn a_viewer_holds_only_what_reads() {
        for permission in Permission::ALL {
            let reads = permission.as_str().ends_with(":read");
            assert_eq!(
                allows(ControlRole::Viewer, *permission),
                reads,
                "{permission}"
            );
        }
    }
}
