//! A tenant of a running server: what an operator does to it, and what its users call.

use bytes::Bytes;
use http::Method;
use serde_json::{Value, json};

use super::answer::Answer;
use super::app::TestApp;
use super::call::Call;
use super::guests::guest;

/// Separates the parts of an upload; no component or manifest has it.
const BOUNDARY: &str = "a-boundary-of-the-tests-3f9c";

/// One project.
#[derive(Clone)]
pub(crate) struct Project<'a> {
    pub(crate) app: &'a TestApp,
    pub(crate) name: String,
}

impl<'a> Project<'a> {
    pub(super) fn new(app: &'a TestApp, name: &str) -> Project<'a> {
        Project {
            app,
            name: name.to_owned(),
        }
    }

    /// A call of the control API below this project, as the administrator.
    pub(crate) fn control(&self, method: Method, path: &str) -> Call {
        self.app
            .control(method, &format!("/v1/projects/{}{path}", self.name))
    }

    /// What the control API has at that path.
    pub(crate) async fn get(&self, path: &str) -> Value {
        self.control(Method::GET, path)
            .send()
            .await
            .expect(200)
            .json()
    }

    /// The items of the list at that path.
    pub(crate) async fn list(&self, path: &str) -> Vec<Value> {
        let list = self.get(path).await;
        assert_eq!(list["next_cursor"], Value::Null, "{list}");
        list["items"].as_array().expect("a list").clone()
    }

    /// The latest lines of a function's log.
    pub(crate) async fn get_logs(&self, function: &str) -> String {
        let path = format!("/functions/{function}/logs");
        self.control(Method::GET, &path)
            .send()
            .await
            .expect(200)
            .text()
    }

    /// Uploads bytes as a function, with no word about them.
    pub(crate) fn upload(&self, function: &str, component: impl Into<Bytes>) -> Call {
        self.control(Method::PUT, &format!("/functions/{function}"))
            .body(component)
    }

    /// Uploads bytes with a manifest.
    pub(crate) fn upload_with(&self, function: &str, component: &[u8], manifest: &str) -> Call {
        let mut form = Vec::new();
        part(&mut form, "component", component);
        part(&mut form, "manifest", manifest.as_bytes());
        form.extend_from_slice(format!("--{BOUNDARY}--\r\n").as_bytes());
        self.control(Method::PUT, &format!("/functions/{function}"))
            .header(
                "content-type",
                &format!("multipart/form-data; boundary={BOUNDARY}"),
            )
            .body(form)
    }

    /// Deploys the guest under its own name and expects that to work.
    pub(crate) async fn deploy(&self, name: &str) -> Value {
        self.upload(name, guest(name))
            .send()
            .await
            .expect(201)
            .json()
    }

    /// Deploys the guest as `function`, with the manifest's further lines.
    pub(crate) async fn deploy_as(&self, function: &str, name: &str, lines: &str) -> Value {
        let manifest = format!("name = \"{function}\"\n{lines}");
        let upload = self.upload_with(function, &guest(name), &manifest);
        upload.send().await.expect(201).json()
    }

    /// A call of a function of this project, as nobody; `path` begins with the function's.
    pub(crate) fn call(&self, method: Method, path: &str) -> Call {
        self.app.call(method, &format!("/f/{}{path}", self.name))
    }

    /// The answer to a GET, as nobody.
    pub(crate) async fn fetch(&self, path: &str) -> Answer {
        self.call(Method::GET, path).send().await
    }

    /// A user's token.
    pub(crate) async fn token(&self, subject: &str) -> String {
        self.token_with(subject, &json!({})).await
    }

    /// A user's token with further claims.
    pub(crate) async fn token_with(&self, subject: &str, claims: &Value) -> String {
        let wanted = json!({ "subject": subject, "claims": claims });
        let made = self
            .control(Method::POST, "/tokens")
            .json(&wanted)
            .send()
            .await;
        made.expect(201).json()["token"]
            .as_str()
            .unwrap()
            .to_owned()
    }

    /// Makes the tables and policies of a schema document.
    pub(crate) async fn schema(&self, schema: &Value) -> Value {
        self.control(Method::PUT, "/schema")
            .json(schema)
            .send()
            .await
            .expect(200)
            .json()
    }
}

fn part(form: &mut Vec<u8>, name: &str, bytes: &[u8]) {
    let head = format!(
        "--{BOUNDARY}\r\ncontent-disposition: form-data; name=\"{name}\"; filename=\"{name}\"\r\n\r\n"
    );
    form.extend_from_slice(head.as_bytes());
    form.extend_from_slice(bytes);
    form.extend_from_slice(b"\r\n");
}
