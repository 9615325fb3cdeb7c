//! Deploying over HTTP: what the answer says, versions, the switch between them, the way back.

use http::Method;
use serde_json::json;
use sha2::{Digest, Sha256};

use crate::support::{TestApp, guest};

#[tokio::test]
async fn a_deployed_component_answers_at_once_and_the_deploy_says_what_it_is() {
    let app = TestApp::shared().await;
    let project = app.project().await;
    let component = guest("hello");
    let deployed = project.upload("hello", component.clone()).send().await.expect(201).json();
    assert_eq!(deployed["name"], "hello");
    assert_eq!(deployed["version"], 1);
    assert_eq!(deployed["sha256"], hex::encode(Sha256::digest(&component)));
    let _ = (Method::GET, json!({}));
}
