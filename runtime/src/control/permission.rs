//! What an operator may do: the role of their token, looked up in the registry's list of permissions.
//!
//! Deny is the default: a permission is held because the role's list names it. Which route needs
//! which one is said once, in the table of routes.

use crate::keys::ControlRole;
use crate::registry::roles::BuiltInRole;

pub use crate::registry::roles::Permission;

/// Whether the role holds the permission.
pub fn allows(role: ControlRole, permission: Permission) -> bool {
    let role = match role {
        ControlRole::Admin => BuiltInRole::Admin,
        ControlRole::Developer => BuiltInRole::Developer,
        ControlRole::Viewer => BuiltInRole::Viewer,
    };
    role.permissions().contains(&permission)
}

/// The stable name of a permission, as the roles table holds it and a refusal says it.
pub(super) fn name(permission: Permission) -> String {
    match serde_json::to_value(permission) {
        Ok(serde_json::Value::String(name)) => name,
        // A unit variant always serialises to its name.
        Ok(_) | Err(_) => format!("{permission:?}"),
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
            let held: Vec<bool> = ROLES.iter().map(|role| allows(*role, permission)).collect();
            assert!(held[0], "{permission:?}");
            assert!(
                held.is_sorted_by(|stronger, weaker| stronger >= weaker),
                "{permission:?}"
            );
        }
    }

    #[test]
    fn a_viewer_holds_only_what_reads_and_not_who_did_what() {
        for permission in Permission::ALL {
            let reads = name(permission).ends_with(":read") && permission != Permission::AuditRead;
            assert_eq!(
                allows(ControlRole::Viewer, permission),
                reads,
                "{permission:?}"
            );
        }
    }
}
