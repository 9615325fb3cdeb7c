//! Who is in a project, while others look.

use super::*;
use crate::registry::condition::Condition;
use crate::registry::members;
use crate::registry::users::{self, NewUser};

/// Whether a change is allowed is judged by the role that was seen; by another one it might not be.
#[tokio::test]
async fn a_role_that_changed_since_it_was_weighed_is_not_taken() {
    let t = TestRegistry::new().await;
    let project = t.project("shop").await;
    let new = NewUser {
        email: "ada@example.org".parse().unwrap(),
        hashed_password: None,
        role: "member".to_owned(),
    };
    let user = users::create(&t, &new).await.unwrap().id;
    let put = async |role: &str, weighed: Option<&str>| {
        let seen = (&Condition::default(), weighed);
        members::put(&t, &project.name, (user, role), seen).await
    };
    put("viewer", None).await.unwrap();
    put("admin", Some("viewer")).await.unwrap();
    let late = put("member", Some("viewer")).await.unwrap_err();
    assert!(matches!(late, RegistryError::Conflict { .. }), "{late:?}");
    let late = members::remove(&t, &project.name, user, Some("viewer")).await;
    assert!(
        matches!(late, Err(RegistryError::Conflict { .. })),
        "{late:?}"
    );
    let role = members::role_of(&t, project.id, user).await.unwrap();
    assert_eq!(role.as_deref(), Some("admin"));
    members::remove(&t, &project.name, user, Some("admin"))
        .await
        .unwrap();
}
