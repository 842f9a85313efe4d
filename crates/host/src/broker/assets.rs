//! Static assets that the Worker asks for: requests on a channel, answered by [`Assets`].

use std::sync::Arc;

use http::{HeaderMap, HeaderName, HeaderValue, Method};
use isthmus_assets::{Answer, Asked, Assets};
use isthmus_protocol::{Body, FailureKind, Frame, Reply, RequestHead, ResponseHead, StreamId};

use super::fetch::failure;
use super::{Broker, CallFailure};
use crate::assets::{self, AssetBody};
use crate::headers;

impl Broker {
    /// Answers a request with an asset. What is looked for takes some system calls, so that it needs no task.
    pub(super) fn begin_asset(
        self: &Arc<Self>,
        stream: StreamId,
        assets: &Assets,
        head: &RequestHead<'_>,
        body: &Body<'_>,
    ) -> Result<(), CallFailure> {
        let method = Method::from_bytes(head.method.as_bytes())
            .map_err(|_| failure(format!("Invalid HTTP method string: {}", head.method)))?;
        // What can't be sent over HTTP can't be what an asset depends on.
        let headers: HeaderMap = head
            .headers
            .iter()
            .filter_map(|header| {
                let name = HeaderName::from_bytes(header.name.as_bytes()).ok()?;
                Some((name, HeaderValue::from_bytes(header.value).ok()?))
            })
            .collect();
        let asked = Asked {
            method: &method,
            url: head.url,
            headers: &headers,
        };
        let Answer {
            status,
            headers: fields,
            content,
        } = assets
            .fetch(asked)
            .map_err(|_| failure(format!("Invalid URL: {}", head.url)))?;
        let content = assets::body(content).map_err(|error| {
            CallFailure::new(FailureKind::Internal, format!("the asset can't be read: {error}"))
        })?;
        // An asset takes no body.
        match body {
            Body::Stream { .. } => self.outgoing.send_short(&Frame::Cancel { stream }),
            Body::Held { stream: held, .. } => drop(self.take_held(*held)),
            Body::Request { stream: event, .. } => drop(self.take_request(*event)),
            Body::None | Body::Inline(_) => {}
        }
        let reply = Reply::Response(ResponseHead {
            status: status.as_u16(),
            status_text: status.canonical_reason().unwrap_or_default(),
            headers: headers::of(&fields).collect(),
            upgrade: false,
        });
        match content {
            _ if method == Method::HEAD => self.answer(stream, reply, None),
            AssetBody::None => self.answer(stream, reply, None),
            AssetBody::Whole(bytes) => self.answer(stream, reply, Some(&bytes)),
            AssetBody::File(body) => self.answer_stored(stream, reply, body),
        }
        Ok(())
    }
}
