//! What one node tells another about a request that it hands over: whose address the caller has. The id of
//! the request goes in its usual header, its host and path in the request itself.
//!
//! These words are headers that any caller can write, so they are taken away where a hop begins and read
//! only where one ends: on the listener that asks for a certificate of the fleet.

use std::net::{IpAddr, SocketAddr};

use http::{HeaderName, HeaderValue, Request, request};
use uuid::Uuid;

use crate::http::{Body, Peer, REQUEST_ID_HEADER, request_id};

/// The address that the caller is known by.
const CLIENT: HeaderName = HeaderName::from_static("koyalite-hop-client");

/// Marks a request that has come from another node. In its extensions, where no caller reaches.
#[derive(Debug, Clone, Copy)]
pub struct Hop;

impl Hop {
    /// Writes down what the next node shall believe.
    pub fn begin(parts: &mut request::Parts, id: Uuid, client: Option<IpAddr>) {
        parts.headers.remove(&CLIENT);
        let client = client.map(|address| address.to_string());
        if let Some(Ok(client)) = client.map(|text| HeaderValue::from_str(&text)) {
            parts.headers.insert(CLIENT, client);
        }
        let id = request_id::header_value(id);
        parts.headers.insert(REQUEST_ID_HEADER, id);
    }

    /// Believes it. Without an address the other node is the one who asks.
    pub fn end(request: &mut Request<Body>) {
        let said = request.headers_mut().remove(&CLIENT);
        let said = said.and_then(|value| value.to_str().ok()?.parse::<IpAddr>().ok());
        if let Some(client) = said {
            request
                .extensions_mut()
                .insert(Peer(SocketAddr::new(client, 0)));
        }
        request.extensions_mut().insert(Hop);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::body;

    #[test]
    fn a_hop_replaces_what_the_caller_says_of_their_address() {
        let mut request = Request::new(body::empty());
        let headers = request.headers_mut();
        headers.append(CLIENT, HeaderValue::from_static("6.6.6.6"));
        headers.append(CLIENT, HeaderValue::from_static("7.7.7.7"));
        let (mut parts, body) = request.into_parts();
        let id = Uuid::from_u128(7);
        Hop::begin(&mut parts, id, Some([1, 2, 3, 4].into()));
        let mut request = Request::from_parts(parts, body);
        assert_eq!(request.headers()[REQUEST_ID_HEADER], id.to_string());
        Hop::end(&mut request);
        let peer = request.extensions().get::<Peer>().unwrap();
        assert_eq!(peer.0.to_string(), "1.2.3.4:0");
        assert!(request.extensions().get::<Hop>().is_some());
        assert!(!request.headers().contains_key(CLIENT));
    }
}
