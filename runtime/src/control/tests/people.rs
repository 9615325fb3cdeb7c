//! Users, roles and members: pages, ETags, what nobody may give or take, and what a project shows to
//! whom.

use super::api::Api;
use super::sessions::Person;
use super::*;
use http::header::ETAG;
use serde_json::{Value, json};

impl Api {
    /// Asks as the administrator; the answer's status and document.
    async fn admin(&self, method: &str, path: &str, body: Value) -> (u16, Value) {
        let (status, answer) = self.ask(method, path, body.to_string()).await;
        (status.as_u16(), answer)
    }

    async fn by(&self, who: &Person, method: &str, path: &str, body: Value) -> (u16, Value) {
        let (status, answer) = self
            .ask_as(&who.token, method, path, body.to_string())
            .await;
        (status.as_u16(), answer)
    }

    /// A user of that role, signed in.
    async fn of_role(&self, email: &str, role: &str) -> Person {
        let body = json!({ "email": email, "role": role, "password": "correct horse" });
        let (status, made) = self.admin("POST", "/v1/users", body).await;
        assert_eq!(status, 201, "{made}");
        let (status, answer) = self.sign_in(email, "correct horse").await;
        assert_eq!(status, 200, "{answer}");
        Person::of(&answer)
    }

    async fn role(&self, name: &str, permissions: &[&str]) {
        let body = json!({ "name": name, "permissions": permissions });
        let (status, made) = self.admin("POST", "/v1/roles", body).await;
        assert_eq!(status, 201, "{made}");
    }
}

fn emails(list: &Value) -> Vec<&str> {
    let items = list["items"].as_array().unwrap().iter();
    items.map(|user| user["email"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn users_come_in_pages_and_by_address_and_role() {
    let api = Api::new().await;
    for name in ["ada", "bob", "cleo"] {
        let body = json!({ "email": format!("{name}@example.org"), "role": "viewer" });
        assert_eq!(api.admin("POST", "/v1/users", body).await.0, 201);
    }
    let (_, first) = api.admin("GET", "/v1/users?limit=2", json!({})).await;
    assert_eq!(emails(&first), ["admin@localhost", "ada@example.org"]);
    let cursor = first["next_cursor"].as_str().unwrap();
    let (_, rest) = api
        .admin(
            "GET",
            &format!("/v1/users?limit=2&cursor={cursor}"),
            json!({}),
        )
        .await;
    assert_eq!(emails(&rest), ["bob@example.org", "cleo@example.org"]);
    assert_eq!(rest["next_cursor"], Value::Null);
    let (_, some) = api
        .admin("GET", "/v1/users?role=viewer&email=CLE", json!({}))
        .await;
    assert_eq!(emails(&some), ["cleo@example.org"]);
    for odd in ["limit=0", "limit=1001", "cursor=x", "colour=red"] {
        assert_eq!(
            api.admin("GET", &format!("/v1/users?{odd}"), json!({}))
                .await
                .0,
            400,
            "{odd}"
        );
    }
}

#[tokio::test]
async fn a_change_of_a_user_counts_at_once_and_only_on_what_was_seen() {
    let api = Api::with_project().await;
    let ada = api.of_role("ada@example.org", "viewer").await;
    let path = format!("/v1/users/{}", ada.id);
    let seen = api.send(&ada.token, ("GET", &path, None), "").await;
    let tag = seen.headers()[ETAG].to_str().unwrap().to_owned();
    assert_eq!(
        api.by(&ada, "POST", "/v1/projects/demo/tables", json!({}))
            .await
            .0,
        403
    );

    let patch = async |tag: Option<&str>, body: Value| {
        let admin = api.admin_token();
        api.send(admin, ("PATCH", &path, tag), body.to_string())
            .await
    };
    let changed = patch(Some(&tag), json!({ "role": "developer" })).await;
    assert_eq!(changed.status(), StatusCode::OK);
    assert_ne!(changed.headers()[ETAG].to_str().unwrap(), tag);
    let old = patch(Some(&tag), json!({ "role": "viewer" })).await;
    assert_eq!(code(old).await, "precondition_failed");
    assert_eq!(code(patch(Some("x"), json!({})).await).await, "bad_request");
    // The same token, another role.
    let (status, _) = api
        .by(&ada, "POST", "/v1/projects/demo/tables", json!({}))
        .await;
    assert_eq!(status, 400);

    let taken = patch(None, json!({ "email": "admin@localhost" })).await;
    assert_eq!(code(taken).await, "already_exists");
    assert_eq!(
        patch(None, json!({ "password": "battery staple" }))
            .await
            .status(),
        StatusCode::OK
    );
    assert_eq!(api.by(&ada, "GET", "/v1/projects", json!({})).await.0, 401);
    assert_eq!(
        api.sign_in("ada@example.org", "battery staple").await.0,
        200
    );
}

#[tokio::test]
async fn nobody_gives_what_they_do_not_hold_or_takes_over_whoever_holds_more() {
    let api = Api::with_project().await;
    let hiring = [
        "user:read",
        "user:write",
        "role:read",
        "role:write",
        "operator:create",
    ];
    api.role("hiring", &hiring).await;
    let eve = api.of_role("eve@example.org", "hiring").await;
    let ada = api.of_role("ada@example.org", "admin").await;
    let bob = api.person("bob@example.org").await;
    let put = json!({ "role": "developer" });
    let put = api
        .admin("PUT", "/v1/projects/demo/members/bob@example.org", put)
        .await;
    assert_eq!(put.0, 200);
    let of = |id: &str| format!("/v1/users/{id}");
    for (method, path, body) in [
        (
            "POST",
            "/v1/users".to_owned(),
            json!({ "email": "x@y", "role": "viewer" }),
        ),
        ("PATCH", of(&eve.id), json!({ "role": "admin" })),
        ("PATCH", of(&ada.id), json!({ "email": "mine@example.org" })),
        ("PATCH", of(&ada.id), json!({ "password": "known to me" })),
        ("PATCH", of(&ada.id), json!({ "role": "member" })),
        ("DELETE", of(&ada.id), json!({})),
        // What somebody may do in a project is theirs too.
        ("PATCH", of(&bob.id), json!({ "password": "known to me" })),
        ("DELETE", of(&bob.id), json!({})),
        (
            "POST",
            "/v1/tokens".to_owned(),
            json!({ "subject": "me", "role": "viewer" }),
        ),
        (
            "POST",
            "/v1/roles".to_owned(),
            json!({ "name": "r", "permissions": ["log:read"] }),
        ),
        (
            "PATCH",
            "/v1/roles/hiring".to_owned(),
            json!({ "permissions": ["log:read"] }),
        ),
    ] {
        let (status, problem) = api.by(&eve, method, &path, body).await;
        assert_eq!(
            (status, &problem["code"]),
            (403, &json!("forbidden")),
            "{method} {path}"
        );
    }
    let body = json!({ "email": "new@example.org", "role": "hiring" });
    assert_eq!(api.by(&eve, "POST", "/v1/users", body).await.0, 201);
}

#[tokio::test]
async fn a_custom_role_is_made_of_known_permissions_and_stays_while_it_is_used() {
    let api = Api::with_project().await;
    let odd = json!({ "name": "r", "permissions": ["project:read", "fly", "log:raed"] });
    let (status, problem) = api.admin("POST", "/v1/roles", odd).await;
    assert_eq!(status, 400);
    assert_eq!(problem["errors"][1]["field"], "permissions[2]");
    assert!(
        problem["detail"]
            .as_str()
            .unwrap()
            .contains("bypass_rls:grant"),
        "{problem}"
    );
    api.role("reader", &["project:read"]).await;
    let (status, _) = api
        .admin(
            "POST",
            "/v1/roles",
            json!({ "name": "reader", "permissions": [] }),
        )
        .await;
    assert_eq!(status, 409);

    let ada = api.of_role("ada@example.org", "reader").await;
    assert_eq!(
        api.by(&ada, "GET", "/v1/projects/demo", json!({})).await.0,
        200
    );
    let (status, problem) = api.admin("DELETE", "/v1/roles/reader", json!({})).await;
    assert_eq!((status, &problem["code"]), (409, &json!("in_use")));
    let none = json!({ "permissions": [] });
    assert_eq!(
        api.admin("PATCH", "/v1/roles/reader", none.clone()).await.0,
        200
    );
    assert_eq!(
        api.by(&ada, "GET", "/v1/projects/demo", json!({})).await.0,
        404
    );
    assert_eq!(api.admin("PATCH", "/v1/roles/viewer", none).await.0, 409);
    assert_eq!(
        api.admin("DELETE", "/v1/roles/viewer", json!({})).await.0,
        409
    );
    assert_eq!(
        api.admin("DELETE", &format!("/v1/users/{}", ada.id), json!({}))
            .await
            .0,
        204
    );
    assert_eq!(
        api.admin("DELETE", "/v1/roles/reader", json!({})).await.0,
        204
    );
    assert_eq!(api.admin("GET", "/v1/roles/reader", json!({})).await.0, 404);
}

#[tokio::test]
async fn a_member_has_their_role_in_that_project_and_sees_no_other() {
    let api = Api::with_project().await;
    assert_eq!(
        api.admin("POST", "/v1/projects", json!({ "name": "other" }))
            .await
            .0,
        201
    );
    let ada = api.person("ada@example.org").await;
    let tables = |project: &str| format!("/v1/projects/{project}/tables");
    assert_eq!(api.by(&ada, "GET", &tables("demo"), json!({})).await.0, 404);
    let put = async |role: &str| {
        let path = "/v1/projects/demo/members/ada@example.org";
        api.admin("PUT", path, json!({ "role": role })).await
    };
    assert_eq!(put("viewer").await.1["user_id"], json!(ada.id));
    assert_eq!(api.by(&ada, "GET", &tables("demo"), json!({})).await.0, 200);
    assert_eq!(
        api.by(&ada, "POST", &tables("demo"), json!({})).await.0,
        403
    );
    let (_, seen) = api.by(&ada, "GET", "/v1/projects", json!({})).await;
    assert_eq!(seen["items"].as_array().unwrap().len(), 1, "{seen}");
    let (status, hidden) = api.by(&ada, "GET", &tables("other"), json!({})).await;
    let (missing, nothing) = api.by(&ada, "GET", &tables("none"), json!({})).await;
    assert_eq!((status, missing), (404, 404));
    let said = |problem: &Value| problem["detail"].as_str().unwrap().replace("other", "none");
    assert_eq!(
        said(&hidden),
        said(&nothing),
        "a hidden project is like one that is not there"
    );

    assert_eq!(put("developer").await.0, 200);
    assert_eq!(
        api.by(&ada, "POST", &tables("demo"), json!({})).await.0,
        400
    );
    let more = json!({ "role": "admin" });
    let own = format!("/v1/projects/demo/members/{}", ada.id);
    assert_eq!(api.by(&ada, "PUT", &own, more.clone()).await.0, 403);
    assert_eq!(put("admin").await.0, 200);
    let _bob = api.person("bob@example.org").await;
    let bobs = "/v1/projects/demo/members/bob@example.org";
    assert_eq!(
        api.by(&ada, "PUT", bobs, more).await.0,
        200,
        "an admin here adds others here"
    );
    assert_eq!(
        api.by(&ada, "GET", "/v1/users", json!({})).await.0,
        403,
        "and is none elsewhere"
    );
    let (_, list) = api
        .by(&ada, "GET", "/v1/projects/demo/members", json!({}))
        .await;
    assert_eq!(emails(&list), ["ada@example.org", "bob@example.org"]);
    assert_eq!(api.admin("DELETE", &own, json!({})).await.0, 204);
    assert_eq!(api.admin("DELETE", &own, json!({})).await.0, 404);
    assert_eq!(api.by(&ada, "GET", &tables("demo"), json!({})).await.0, 404);
}

#[tokio::test]
async fn a_user_who_owns_a_project_stays_and_what_others_own_is_passed_on() {
    let api = Api::with_project().await;
    api.role("founder", &["project:create"]).await;
    let ada = api.of_role("ada@example.org", "founder").await;
    assert_eq!(
        api.by(&ada, "POST", "/v1/projects", json!({ "name": "hers" }))
            .await
            .0,
        201
    );
    assert_eq!(
        api.by(&ada, "GET", "/v1/projects/hers/tables", json!({}))
            .await
            .0,
        200
    );
    let path = format!("/v1/users/{}", ada.id);
    let (status, problem) = api.admin("DELETE", &path, json!({})).await;
    assert_eq!(
        (status, &problem["errors"][0]["message"]),
        (409, &json!("hers"))
    );
    let (_, owned) = api
        .admin("GET", &format!("{path}/projects"), json!({}))
        .await;
    assert_eq!(owned["items"][0]["name"], "hers");
    assert_eq!(
        api.admin("GET", &format!("{path}/functions"), json!({}))
            .await
            .1["items"],
        json!([])
    );

    let dev = api.of_role("dev@example.org", "developer").await;
    let table = json!({ "name": "notes", "columns": [{ "name": "id", "type": "bigint", "primary_key": true }] });
    assert_eq!(
        api.by(&dev, "POST", "/v1/projects/demo/tables", table)
            .await
            .0,
        201
    );
    let policy = json!({ "name": "all", "table": "notes", "using": "true" });
    assert_eq!(
        api.by(&dev, "POST", "/v1/projects/demo/policies", policy)
            .await
            .0,
        201
    );
    let devs = format!("/v1/users/{}", dev.id);
    let (status, _) = api
        .admin(
            "DELETE",
            &format!("{devs}?transfer_to={}", dev.id),
            json!({}),
        )
        .await;
    assert_eq!(status, 400);
    let heir = format!("{devs}?transfer_to={}", ada.id);
    assert_eq!(api.admin("DELETE", &heir, json!({})).await.0, 204);
    let (_, policies) = api
        .admin("GET", "/v1/projects/demo/policies", json!({}))
        .await;
    assert_eq!(policies["items"][0]["created_by"], json!(ada.id));
    assert_eq!(api.by(&dev, "GET", "/v1/projects", json!({})).await.0, 401);
    assert_eq!(api.admin("GET", &devs, json!({})).await.0, 404);
    let owner = api.control.registry.admin();
    assert_eq!(
        api.admin("DELETE", &format!("/v1/users/{owner}"), json!({}))
            .await
            .0,
        409
    );
}
