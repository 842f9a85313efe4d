//! Outbound WebSockets: an exchange whose answer is a connection.

use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Request, StatusCode};
use hyper::upgrade::Upgraded;
use tokio::time::timeout;

use super::upload::Upload;
use super::{LOST, Network, NetworkAnswer, describe, reason_of};
use crate::websocket::{self, Agreement};

/// What a server makes of a request for a WebSocket.
pub(crate) enum Opened {
    /// A connection.
    Socket(Box<OpenSocket>),
    /// Another answer.
    Answer(Box<NetworkAnswer>),
}

/// A connection whose handshake is done.
pub(crate) struct OpenSocket {
    /// The reason phrase, one byte per code point.
    pub(crate) reason: bytes::Bytes,
    /// The headers of the server's answer.
    pub(crate) headers: HeaderMap,
    /// What carries the bytes.
    pub(crate) wire: Upgraded,
    /// The compression agreed on.
    pub(crate) agreement: Option<Agreement>,
}

impl Network {
    /// Asks for a WebSocket. Dropping the future gives it up and closes its connection.
    ///
    /// # Errors
    /// The message of the error that user code sees.
    pub(crate) async fn open_socket(&self, mut request: Request<()>) -> Result<Opened, String> {
        let key = websocket::new_key()?;
        websocket::ask(request.headers_mut(), &key);
        let pool = self.0.pools.for_sockets(request.uri()).await?;
        let protocols = asked_protocols(request.headers());
        let asked = pool.request(request.map(|()| Upload::empty()));
        let mut answer = match timeout(self.0.limits.stall, asked).await {
            Ok(answer) => answer.map_err(|error| describe(&error))?,
            Err(_) => return Err(LOST.to_owned()),
        };
        if answer.status() != StatusCode::SWITCHING_PROTOCOLS {
            return Ok(Opened::Answer(Box::new(self.answered(answer, false).await?)));
        }
        let agreement = websocket::check(answer.headers(), &key)?;
        if let Some(protocol) = answer.headers().get(header::SEC_WEBSOCKET_PROTOCOL)
            && !protocols
                .iter()
                .any(|asked| asked.as_bytes() == protocol.as_bytes())
        {
            return Err("The server chose a WebSocket protocol that was not asked for.".to_owned());
        }
        let reason = reason_of(&answer);
        let wire = hyper::upgrade::on(&mut answer)
            .await
            .map_err(|_| LOST.to_owned())?;
        let (head, _) = answer.into_parts();
        Ok(Opened::Socket(Box::new(OpenSocket {
            reason,
            headers: head.headers,
            wire,
            agreement,
        })))
    }
}

fn asked_protocols(headers: &HeaderMap<HeaderValue>) -> Vec<String> {
    let name: HeaderName = header::SEC_WEBSOCKET_PROTOCOL;
    let values = headers
        .get_all(name)
        .iter()
        .filter_map(|value| value.to_str().ok());
    let each = values.flat_map(|value| value.split(','));
    each.map(|protocol| protocol.trim().to_owned()).collect()
}
