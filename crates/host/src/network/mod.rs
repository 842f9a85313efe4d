//! Outbound `fetch`: one HTTP exchange at a time, for whoever may have it.
//!
//! Redirects, `data:` URLs and content codings are the isolate's business: it asks for one exchange each. Here are
//! connections ([`connect`]: pools, DNS, TLS; [`arrival`]: what they have read; [`tcp`]: those without HTTP), which addresses
//! they may reach ([`policy`]), bodies both ways
//! ([`upload`], [`download`]) and peers that stop talking ([`stall`]).

mod arrival;
mod connect;
mod download;
mod policy;
mod request;
mod socket;
mod stall;
mod tcp;
mod upload;

use std::error::Error as _;
use std::sync::Arc;

use bytes::Bytes;
use http::{Method, Request, StatusCode};
use hyper::ext::ReasonPhrase;
use isthmus_protocol::RequestHead;

use crate::broker::Origin;
use crate::limits::NetworkLimits;
pub(crate) use arrival::Arrival;
use connect::{Forbidden, Pools, Unresolved};
use download::Arrived;
pub(crate) use download::Download;
pub use policy::{AddressBlock, AddressPolicy, UnknownAddresses};
pub(crate) use request::{LOOP_HEADER, accepts, depth_of};
pub(crate) use socket::{OpenSocket, Opened};
use stall::Pulse;
pub(crate) use tcp::{Connected, SocketReader, SocketWriter, TcpSocket};
pub(crate) use upload::{Upload, UploadEvent};

/// What upstream says of a connection that could not be made, or was cut.
pub(crate) const LOST: &str = "Network connection lost.";

/// The way to the network.
#[derive(Clone)]
pub(crate) struct Network(Arc<Inner>);

struct Inner {
    pools: Pools,
    limits: NetworkLimits,
}

/// The answer to a request.
pub(crate) struct NetworkAnswer {
    /// 200 to 999.
    pub(crate) status: StatusCode,
    /// The reason phrase, one byte per code point.
    pub(crate) reason: Bytes,
    /// Names in lower case, and values, in order.
    pub(crate) headers: http::HeaderMap,
    /// The body.
    pub(crate) body: NetworkBody,
}

/// The body of an answer.
pub(crate) enum NetworkBody {
    /// There can be none.
    None,
    /// It was short, and is here.
    Whole(Bytes),
    /// It comes on demand.
    Held(Download),
}

impl Network {
    pub(crate) fn new(policy: AddressPolicy, limits: NetworkLimits) -> Self {
        Self(Arc::new(Inner {
            pools: Pools::new(policy, limits.connect),
            limits,
        }))
    }

    /// Makes one exchange. Dropping the future gives it up and closes its connection.
    ///
    /// # Errors
    /// The message of the error that `fetch` rejects with.
    pub(crate) async fn exchange(
        &self,
        request: Request<()>,
        mut upload: Upload,
    ) -> Result<NetworkAnswer, String> {
        let pool = self.0.pools.of(request.uri()).await?;
        let pulse = Arc::new(Pulse::new());
        if !upload.is_empty() {
            upload.pulse = Some(Arc::clone(&pulse));
        }
        let is_head = request.method() == Method::HEAD;
        // What may be asked again, once.
        let mut again = (request.method().is_safe() && upload.is_empty()).then(|| request.clone());
        let mut request = request.map(|()| upload);
        let answer = loop {
            let asked = tokio::select! {
                answer = pool.request(request) => answer,
                () = pulse.stopped(self.0.limits.stall) => return Err(LOST.to_owned()),
            };
            match asked {
                Ok(answer) => break answer,
                // A server may close a connection that it kept open just when the next request is on its way to it.
                Err(error) => match again.take().filter(|_| is_stale(&error)) {
                    Some(same) => request = same.map(|()| Upload::empty()),
                    None => return Err(describe(&error)),
                },
            }
        };
        self.answered(answer, is_head).await
    }

    /// What an answer means.
    async fn answered(
        &self,
        answer: http::Response<hyper::body::Incoming>,
        is_head: bool,
    ) -> Result<NetworkAnswer, String> {
        let reason = reason_of(&answer);
        let (mut head, body) = answer.into_parts();
        let status = head.status;
        // A connection of HTTP/2 may have handed on everything and yet not ask for more.
        let arrival = head
            .extensions
            .remove::<Arrival>()
            .filter(|_| head.version <= http::Version::HTTP_11)
            .inspect(Arrival::answered);
        if status.is_informational() {
            return Err(format!(
                "The server answered with the status {}, which fetch() can't make use of.",
                status.as_u16()
            ));
        }
        let bodiless = is_head || matches!(status.as_u16(), 204 | 205 | 304);
        let body = if bodiless {
            NetworkBody::None
        } else {
            match Download::take(body, arrival, self.0.limits.stall).await {
                Arrived::Whole(bytes) => NetworkBody::Whole(bytes),
                Arrived::Held(download) => NetworkBody::Held(download),
            }
        };
        Ok(NetworkAnswer {
            status,
            reason,
            headers: head.headers,
            body,
        })
    }

    /// The request that a head asks for, made in the course of an event that comes from `origin`.
    ///
    /// # Errors
    /// The message of the error that `fetch` rejects with.
    pub(crate) fn request(
        &self,
        head: &RequestHead<'_>,
        has_body: bool,
        origin: Origin,
    ) -> Result<Request<()>, String> {
        request::build(head, has_body, origin)
    }
}

impl Default for Network {
    fn default() -> Self {
        Self::new(AddressPolicy::default(), NetworkLimits::default())
    }
}

/// The reason phrase of an answer; HTTP/2 has none.
fn reason_of<B>(answer: &http::Response<B>) -> Bytes {
    if answer.version() == http::Version::HTTP_2 {
        return Bytes::new();
    }
    match answer.extensions().get::<ReasonPhrase>() {
        Some(reason) => Bytes::copy_from_slice(reason.as_bytes()),
        None => Bytes::from_static(answer.status().canonical_reason().unwrap_or_default().as_bytes()),
    }
}

/// Whether a request met a connection that was kept from an earlier one and ended without a sign of an answer.
fn is_stale(error: &hyper_util::client::legacy::Error) -> bool {
    let ended = error.source().is_some_and(|cause| {
        cause.downcast_ref::<hyper::Error>().is_some_and(|error| {
            error.is_incomplete_message() || error.source().is_some_and(|cause| cause.is::<std::io::Error>())
        })
    });
    if !ended {
        return false;
    }
    let mut extensions = http::Extensions::new();
    if let Some(connection) = error.connect_info() {
        connection.get_extras(&mut extensions);
    }
    extensions.get().is_some_and(Arrival::is_stale)
}

/// What went wrong, in the words for user code.
fn describe(error: &hyper_util::client::legacy::Error) -> String {
    let mut cause = error.source();
    while let Some(error) = cause {
        if error.is::<Forbidden>() || error.is::<Unresolved>() || error.is::<upload::BrokenUpload>() {
            return error.to_string();
        }
        if let Some(tls) = error.downcast_ref::<rustls::Error>() {
            return format!("TLS handshake failed: {tls}.");
        }
        if let Some(error) = error.downcast_ref::<hyper::Error>()
            && error.is_parse()
        {
            let what = if error.is_parse_too_large() {
                "The head of the server's answer is too large."
            } else {
                "The server's answer is not valid HTTP."
            };
            return what.to_owned();
        }
        // An error of the I/O that wraps another gives not that, but the other's source as its own.
        cause = match error
            .downcast_ref::<std::io::Error>()
            .and_then(std::io::Error::get_ref)
        {
            Some(inner) => Some(inner),
            None => error.source(),
        };
    }
    LOST.to_owned()
}
