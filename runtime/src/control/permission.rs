//! What an operator may do: the permissions of their roles, as the registry lists them.
//!
//! Deny is the default: a permission is held because the role's list names it. Which route needs
//! which one is said once, in the table of routes.

pub use crate::registry::roles::Permission;

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
    use crate::registry::roles::BuiltInRole;

    fn allows(role: BuiltInRole, permission: Permission) -> bool {
        role.permissions().contains(&permission)
    }

    #[test]
    fn an_admin_holds_everything_and_a_weaker_role_nothing_that_a_stronger_one_lacks() {
        for permission in Permission::ALL {
            let held: Vec<bool> = BuiltInRole::ALL
                .iter()
                .map(|role| allows(*role, permission))
                .collect();
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
                allows(BuiltInRole::Viewer, permission),
                reads,
                "{permission:?}"
            );
        }
    }
}
