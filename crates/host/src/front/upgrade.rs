//! A request that becomes a WebSocket: the rest of its life is a task of its own.

use bytes::Bytes;
use http::Response;
use http::request::Parts;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use hyper_util::server::conn::auto::upgrade::downcast;
use tokio::net::TcpStream;

use super::Front;
use super::body::ResponseBody;
use crate::isolate::{AnswerHead, EventHandle};
use crate::pages::Page;
use crate::websocket::{Agreement, Connection, Link, Role, answer};

/// The Worker's answer as the handshake has it, and the task that serves the connection.
///
/// # Errors
/// A page if the client's handshake is not as it must be: the event is cancelled.
pub(super) fn respond(
    front: &Front,
    request: &Parts,
    upgrade: Option<OnUpgrade>,
    head: AnswerHead,
    link: Link,
    event: EventHandle,
) -> Result<Response<ResponseBody>, Page> {
    let upgrade = upgrade.ok_or_else(|| {
        Page::bad_request("The Worker answered with a WebSocket, but this request can't become one.")
    })?;
    let (response, agreement) = answer(request, head.headers)?;
    let shutdown = front.shutdown.clone();
    tokio::spawn(async move {
        serve(upgrade, agreement, link, shutdown).await;
        event.close_socket();
    });
    Ok(response.map(|()| ResponseBody::Empty))
}

async fn serve(
    upgrade: OnUpgrade,
    agreement: Option<Agreement>,
    link: Link,
    shutdown: tokio::sync::watch::Receiver<bool>,
) {
    let Ok(upgraded) = upgrade.await else {
        // The client went away before the handshake was written.
        return link.lost(None);
    };
    let connection = Connection::new(Role::Server, agreement, link, shutdown);
    match downcast::<TokioIo<TcpStream>>(upgraded) {
        Ok(parts) => connection.run(parts.io.into_inner(), parts.read_buf).await,
        Err(upgraded) => connection.run(TokioIo::new(upgraded), Bytes::new()).await,
    }
}
