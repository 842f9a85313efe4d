//! `WebSocket` and `WebSocketPair`: <https://websockets.spec.whatwg.org/>, as Workers have them.
//!
//! The classes are JavaScript (`websocket.js`). A connection to the world outside is a [`Socket`], which the process gives:
//! [`couple`] makes it the other end of a pair whose one end is part of a response. What arrives on it is told by its
//! [`Receiver`].

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use rquickjs::class::Trace;
use rquickjs::{
    Array, ArrayBuffer, Class, Ctx, Error, Exception, Function, JsLifetime, Object, Result, Value,
};

use crate::file_api::{Builder, Data};
use crate::url::Url;
use crate::{buffer_source, fetch, mime_type, script};

/// A message of a WebSocket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SocketMessage {
    /// Text.
    Text(String),
    /// Bytes.
    Binary(Bytes),
    /// The closing handshake: the sender's last message.
    Close {
        /// The status code; 1005 stands for none.
        code: u16,
        /// The reason.
        reason: String,
    },
}

/// A connection to the world outside, as the platform uses it. Its methods must not run JavaScript themselves.
pub trait Socket: 'static {
    /// The connection begins: what was sent before goes out now, and what arrives is told by `receiver`.
    fn start(self: Rc<Self>, receiver: Receiver);

    /// Sends a message, or queues it. After a [`SocketMessage::Close`] none comes.
    fn send(&self, message: SocketMessage);

    /// User code listens from now on: what arrived so far is not waiting any more.
    fn accept(&self);

    /// How many bytes of messages are queued.
    fn buffered(&self) -> usize;

    /// Breaks the connection off. Its receiver is told that it is lost, later.
    fn abandon(&self);
}

/// A [`Socket`] as `websocket.js` holds it.
#[derive(Trace, JsLifetime)]
struct Outside {
    #[qjs(skip_trace)]
    socket: Rc<dyn Socket>,
}

hidden_class!(Outside);

/// What Rust calls in `websocket.js`, and the sockets that are connected to the outside.
#[derive(JsLifetime)]
struct Sockets<'js> {
    couple: Function<'js>,
    connect: Function<'js>,
    is_socket: Function<'js>,
    receive: Function<'js>,
    connected: RefCell<HashMap<u32, Object<'js>>>,
    next: Cell<u32>,
    /// The receivers that were dropped.
    forgotten: Rc<RefCell<Vec<u32>>>,
}

impl<'js> Sockets<'js> {
    fn of<'a>(ctx: &'a Ctx<'js>) -> Result<rquickjs::runtime::UserDataGuard<'a, Self>> {
        ctx.userdata::<Self>()
            .ok_or_else(|| Exception::throw_internal(ctx, "WebSockets are not installed in this context"))
    }
}

/// Brings a `WebSocket` what arrives from outside. The object lives as long as this.
pub struct Receiver {
    id: u32,
    forgotten: Rc<RefCell<Vec<u32>>>,
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.forgotten.borrow_mut().push(self.id);
    }
}

/// Adds the two classes. Needs events, messaging, timers, blobs and structured cloning.
pub(crate) fn install(ctx: &Ctx<'_>) -> Result<()> {
    let host = script::host(ctx)?;
    script::evaluate(
        ctx,
        "websocket/websocket.js",
        include_str!("websocket.js"),
        |native| {
            let blobs = host.is_enabled("websocket_standard_binary_type");
            let half_open = !host.is_enabled("web_socket_auto_reply_to_close");
            native.set("isBlobDefault", blobs)?;
            native.set("isHalfOpenDefault", half_open)?;
            native.set(
                "isReasonLimited",
                host.is_enabled("websocket_close_reason_byte_limit"),
            )?;
            native.set("accept", Function::new(ctx.clone(), accept)?)?;
            native.set("sendText", Function::new(ctx.clone(), send_text)?)?;
            native.set("sendBinary", Function::new(ctx.clone(), send_binary)?)?;
            native.set("close", Function::new(ctx.clone(), close)?)?;
            native.set("buffered", Function::new(ctx.clone(), buffered)?)?;
            native.set("copy", Function::new(ctx.clone(), copy)?)?;
            native.set("blobOf", Function::new(ctx.clone(), blob_of)?)?;
            native.set("utf8Length", Function::new(ctx.clone(), utf8_length)?)?;
            native.set("abandon", Function::new(ctx.clone(), abandon)?)?;
            native.set("target", Function::new(ctx.clone(), target)?)?;
            native.set("isToken", Function::new(ctx.clone(), is_token)?)?;
            native.set("answer", Function::new(ctx.clone(), answer)?)
        },
    )?;
    let functions: Object = script::shared(ctx)?.get("webSocket")?;
    let sockets = Sockets {
        couple: functions.get("couple")?,
        connect: functions.get("connected")?,
        is_socket: functions.get("isSocket")?,
        receive: functions.get("receive")?,
        connected: RefCell::default(),
        next: Cell::new(0),
        forgotten: Rc::default(),
    };
    ctx.store_userdata(sockets)
        .map_err(|_| Exception::throw_internal(ctx, "WebSockets are in use and cannot be replaced"))?;
    Ok(())
}

/// Lets go of every JavaScript value that Rust holds on behalf of WebSockets.
pub(crate) fn teardown(ctx: &Ctx<'_>) {
    // Fails only while a guard of `userdata` is alive, and no function here keeps one.
    drop(ctx.remove_userdata::<Sockets<'_>>());
}

/// Whether `value` is a `WebSocket`.
pub(crate) fn is_socket<'js>(ctx: &Ctx<'js>, value: &Value<'js>) -> Result<bool> {
    let is_socket = Sockets::of(ctx)?.is_socket.clone();
    is_socket.call((value.clone(),))
}

/// Makes `socket` the other end of what `object`, a `WebSocket` of a response, is an end of. Throws a `TypeError` if
/// `object` is in use: nothing is sent on `socket` then.
pub fn couple<'js>(ctx: &Ctx<'js>, object: &Object<'js>, socket: Rc<dyn Socket>) -> Result<Receiver> {
    let couple = Sockets::of(ctx)?.couple.clone();
    let outside = Class::instance(ctx.clone(), Outside { socket })?;
    let peer: Object<'js> = couple.call((object.clone(), outside))?;
    listen(ctx, peer)
}

/// The `WebSocket` of a connection that was made from here, which nobody has accepted.
pub(crate) fn connected<'js>(ctx: &Ctx<'js>, socket: Rc<dyn Socket>) -> Result<Object<'js>> {
    let connect = Sockets::of(ctx)?.connect.clone();
    let outside = Class::instance(
        ctx.clone(),
        Outside {
            socket: Rc::clone(&socket),
        },
    )?;
    let object: Object<'js> = connect.call((outside,))?;
    socket.start(listen(ctx, object.clone())?);
    Ok(object)
}

/// What tells `object`, a `WebSocket`, what arrives.
fn listen<'js>(ctx: &Ctx<'js>, object: Object<'js>) -> Result<Receiver> {
    let sockets = Sockets::of(ctx)?;
    let mut connected = sockets.connected.borrow_mut();
    // Dropped after the table is released: dropping a JavaScript object may run finalizers.
    let freed: Vec<_> = sockets
        .forgotten
        .take()
        .iter()
        .filter_map(|id| connected.remove(id))
        .collect();
    let mut id = sockets.next.get();
    while connected.contains_key(&id) {
        id = id.wrapping_add(1);
    }
    sockets.next.set(id.wrapping_add(1));
    connected.insert(id, object);
    let forgotten = Rc::clone(&sockets.forgotten);
    drop(connected);
    drop(sockets);
    drop(freed);
    Ok(Receiver { id, forgotten })
}

impl Receiver {
    /// A message arrived. To be called with no JavaScript on the stack; what listeners throw is reported.
    pub fn receive(&self, ctx: &Ctx<'_>, message: SocketMessage) {
        let told = match message {
            SocketMessage::Text(text) => self.tell(ctx, 0, text, None),
            SocketMessage::Binary(bytes) => {
                ArrayBuffer::new_copy(ctx.clone(), &bytes).and_then(|buffer| self.tell(ctx, 1, buffer, None))
            }
            SocketMessage::Close { code, reason } => self.tell(ctx, 2, code, Some(&reason)),
        };
        self.told(ctx, told);
    }

    /// The connection broke: nothing arrives any more. `reason` says what is wrong, unless the other side merely went
    /// away.
    pub fn lost(&self, ctx: &Ctx<'_>, reason: Option<&str>) {
        let told = self.tell(ctx, 3, (), Some(reason.unwrap_or_default()));
        self.told(ctx, told);
    }

    fn tell<'js>(
        &self,
        ctx: &Ctx<'js>,
        kind: u8,
        data: impl rquickjs::IntoJs<'js>,
        reason: Option<&str>,
    ) -> Result<()> {
        let (receive, object) = {
            let sockets = Sockets::of(ctx)?;
            let object = sockets.connected.borrow().get(&self.id).cloned();
            (sockets.receive.clone(), object)
        };
        match object {
            Some(object) => receive.call((object, kind, data, reason)),
            None => Ok(()),
        }
    }

    fn told(&self, ctx: &Ctx<'_>, told: Result<()>) {
        if told.is_err() {
            // Only the engine's limits (memory, stack) can have thrown; there is nobody here to tell.
            ctx.catch();
        }
    }
}

fn accept(outside: Class<'_, Outside>) {
    let socket = Rc::clone(&outside.borrow().socket);
    socket.accept();
}

fn abandon(outside: Class<'_, Outside>) {
    let socket = Rc::clone(&outside.borrow().socket);
    socket.abandon();
}

/// What a URL for a WebSocket means: itself, the URL of the request, its origin, and the `authorization` that it has in it, if
/// any. Otherwise what is wrong with it.
fn target<'js>(ctx: Ctx<'js>, text: String) -> Result<Array<'js>> {
    let mut authorization = None;
    let parts = match crate::url::absolute(&ctx, &text)? {
        None => vec!["The url is invalid.".to_owned()],
        Some(url) if url.fragment().is_some() => vec!["The url fragment must be empty.".to_owned()],
        Some(url) => {
            let credentials = url.credentials();
            authorization = credentials.map(|pair| format!("Basic {}", STANDARD.encode(pair)));
            let rest = |url: String| {
                url.split_once(':')
                    .map_or_else(String::new, |(_, rest)| rest.to_owned())
            };
            match url.scheme() {
                "ws" | "http" => {
                    let rest = rest(url.into());
                    vec![format!("ws:{rest}"), format!("http:{rest}")]
                }
                "wss" | "https" => {
                    let rest = rest(url.into());
                    vec![format!("wss:{rest}"), format!("https:{rest}")]
                }
                _ => vec!["The url scheme must be ws or wss.".to_owned()],
            }
        }
    };
    let origin = match parts.first().and_then(|href| Url::parse(href, None)) {
        Some(url) if parts.len() == 2 => Some(url.origin()),
        _ => None,
    };
    let list = Array::new(ctx)?;
    for (index, part) in parts.into_iter().chain(origin).chain(authorization).enumerate() {
        list.set(index, part)?;
    }
    Ok(list)
}

fn is_token(text: String) -> bool {
    mime_type::is_token(text.as_bytes())
}

/// The status of a response, its socket, the protocol and the extensions that were agreed on.
fn answer<'js>(ctx: Ctx<'js>, response: Value<'js>) -> Result<Array<'js>> {
    let header = |name| {
        let head = fetch::response_head(&response, name);
        let value = head.and_then(|(_, value, _)| value).unwrap_or_default();
        String::from_utf8_lossy(&value).into_owned()
    };
    let list = Array::new(ctx.clone())?;
    list.set(
        0,
        fetch::response_head(&response, "").map(|(status, _, _)| status),
    )?;
    list.set(1, fetch::response_socket(&response))?;
    list.set(2, header("sec-websocket-protocol"))?;
    list.set(3, header("sec-websocket-extensions"))?;
    Ok(list)
}

fn buffered(outside: Class<'_, Outside>) -> f64 {
    outside.borrow().socket.buffered() as f64
}

fn send_text<'js>(ctx: Ctx<'js>, outside: Class<'js, Outside>, text: rquickjs::String<'js>) -> Result<()> {
    let text = match text.to_string() {
        // The only way a string can fail to be UTF-8.
        Err(Error::Utf8(_)) => {
            let webidl: Object = script::shared(&ctx)?.get("webidl")?;
            webidl.get::<_, Function>("usv")?.call((text,))?
        }
        text => text?,
    };
    let socket = Rc::clone(&outside.borrow().socket);
    socket.send(SocketMessage::Text(text));
    Ok(())
}

fn send_binary<'js>(outside: Class<'js, Outside>, data: Value<'js>) {
    let socket = Rc::clone(&outside.borrow().socket);
    socket.send(SocketMessage::Binary(bytes_of(&data)));
}

fn close(outside: Class<'_, Outside>, code: u16, reason: String) {
    let socket = Rc::clone(&outside.borrow().socket);
    socket.send(SocketMessage::Close { code, reason });
}

/// The bytes of a buffer, or of a blob's data.
fn bytes_of(data: &Value<'_>) -> Bytes {
    match data.as_object().and_then(Class::<Data>::from_object) {
        Some(data) => data.borrow().rope.to_bytes(),
        None => buffer_source::copy_bytes(data).unwrap_or_default().into(),
    }
}

fn copy<'js>(ctx: Ctx<'js>, data: Value<'js>) -> Result<ArrayBuffer<'js>> {
    ArrayBuffer::new_copy(ctx, bytes_of(&data))
}

/// A blob's data with the bytes of `buffer`.
fn blob_of<'js>(ctx: Ctx<'js>, buffer: Value<'js>) -> Result<Class<'js, Data>> {
    let mut builder = Builder::default();
    builder.share(bytes_of(&buffer));
    Data::new(&ctx, builder.finish())
}

fn utf8_length(text: String) -> usize {
    text.len()
}
