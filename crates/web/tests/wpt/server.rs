//! The tests' own server, as far as the runner stands in for it: the files of the checkout, with their `.headers` and
//! `.asis`, a few of the Python handlers, most of them of `fetch/api/resources`, event streams (`event_streams`) and
//! WebSockets (`sockets`). Any other handler, a pipe, and any other host are as if nobody were there. Each exchange is a
//! connection of its own.

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, VecDeque};
use std::rc::Rc;

use bytes::Bytes;
use isthmus_web::body::{ByteSink, ByteSource, IncomingBody, PullDone, Pulled, WriteDone};
use isthmus_web::{Begun, Exchange, FetchAnswer, FetchDone, OutgoingRequest, UploadBody};
use rquickjs::Ctx;

use crate::checkout::Checkout;
use crate::{event_streams, sockets};

/// Its name; it has others below this one, and several ports.
const HOST: &str = "web-platform.test";

/// Where most of the handlers are.
const HANDLERS: &str = "/fetch/api/resources/";

/// Two more.
const ECHO_HEADERS: &str = "/xhr/resources/echo-headers.py";
const COUNT_CONNECTIONS: &str = "/fetch/connection-pool/resources/network-partition-key.py";

/// The pieces that `trickle.py` sends.
const TRICKLE: &str = "TEST_TRICKLE\n";

/// What becomes of a connection that breaks off.
const LOST: &str = "Network connection lost.";

/// Something to tell the engine with no JavaScript on the stack.
pub(crate) type Told = Box<dyn for<'js> FnOnce(&Ctx<'js>)>;

/// What waits to be told, one a turn.
pub(crate) type Outbox = Rc<RefCell<VecDeque<Told>>>;

/// The server of one file's tests.
pub(crate) struct Server {
    checkout: Rc<Checkout>,
    outbox: Outbox,
    /// What `stash-put.py` keeps.
    stash: Rc<RefCell<HashMap<String, String>>>,
}

/// An exchange whose answer may be given up before it is told.
struct Ready(Rc<Cell<bool>>);

impl Exchange for Ready {
    fn cancel(&self) {
        self.0.set(true);
    }
}

/// A request whose body is here.
pub(crate) struct Received {
    method: String,
    pub(crate) url: url::Url,
    headers: Vec<(String, Vec<u8>)>,
    /// As a `content-length` would have it.
    length: Option<u64>,
    body: Vec<u8>,
}

impl Received {
    /// All values of a header.
    pub(crate) fn header(&self, name: &str) -> Option<Vec<u8>> {
        let values: Vec<&[u8]> = self
            .headers
            .iter()
            .filter(|(other, _)| other.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_slice())
            .collect();
        (!values.is_empty()).then(|| values.join(&b", "[..]))
    }

    /// A parameter of the query, as bytes.
    pub(crate) fn parameter(&self, name: &str) -> Option<Vec<u8>> {
        self.url.query()?.split('&').find_map(|pair| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            (key == name).then(|| percent_decode(value))
        })
    }

    fn text(&self, name: &str) -> Option<String> {
        self.parameter(name)
            .map(|value| String::from_utf8_lossy(&value).into_owned())
    }

    fn number(&self, name: &str) -> Option<u16> {
        self.text(name)?.parse().ok()
    }
}

fn percent_decode(value: &str) -> Vec<u8> {
    let bytes = value.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut index = 0;
    while let Some(&byte) = bytes.get(index) {
        let hex = value.get(index + 1..index + 3);
        match hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(escaped) if byte == b'%' => {
                decoded.push(escaped);
                index += 3;
            }
            _ => {
                decoded.push(if byte == b'+' { b' ' } else { byte });
                index += 1;
            }
        }
    }
    decoded
}

/// An answer that is here as a whole.
pub(crate) fn answer(status: u16, headers: &[(&str, &[u8])], body: IncomingBody) -> FetchAnswer {
    FetchAnswer {
        status,
        status_text: if status == 200 { "OK" } else { "" }.to_owned(),
        headers: headers
            .iter()
            .map(|(name, value)| ((*name).to_owned(), value.to_vec()))
            .collect(),
        body,
    }
}

fn plain(body: impl Into<Bytes>) -> FetchAnswer {
    answer(
        200,
        &[("content-type", b"text/plain")],
        IncomingBody::Bytes(body.into()),
    )
}

impl Server {
    pub(crate) fn new(checkout: &Rc<Checkout>, outbox: &Outbox) -> Self {
        Self {
            checkout: Rc::clone(checkout),
            outbox: Rc::clone(outbox),
            stash: Rc::default(),
        }
    }

    /// Takes a request; it is answered once its body is here.
    pub(crate) fn take(
        self: &Rc<Self>,
        ctx: &Ctx<'_>,
        request: OutgoingRequest,
        done: FetchDone,
    ) -> Result<Begun, String> {
        let mut received = Received {
            method: request.method,
            url: url::Url::parse(&request.url).map_err(|error| error.to_string())?,
            headers: request.headers,
            length: None,
            body: Vec::new(),
        };
        let cancelled = Rc::new(Cell::new(false));
        let exchange = Rc::new(Ready(Rc::clone(&cancelled)));
        let server = Rc::clone(self);
        let finish = move |received: Result<Received, String>| {
            let outbox = Rc::clone(&server.outbox);
            let tell: Told = Box::new(move |ctx| {
                if !cancelled.get() {
                    done(ctx, received.and_then(|received| server.answer(received)));
                }
            });
            outbox.borrow_mut().push_back(tell);
        };
        let mut upload = None;
        match request.body {
            UploadBody::None => finish(Ok(received)),
            UploadBody::Bytes(bytes) => {
                received.length = Some(bytes.len() as u64);
                received.body = bytes.into();
                finish(Ok(received));
            }
            UploadBody::Source { source, length } => {
                received.length = length;
                drain(ctx, source, received, Box::new(finish));
            }
            UploadBody::Stream { length } => {
                received.length = length;
                let sink: Rc<dyn ByteSink> =
                    Rc::new(Upload(RefCell::new(Some((received, Box::new(finish))))));
                upload = Some(sink);
            }
        }
        Ok(Begun { exchange, upload })
    }

    fn answer(&self, request: Received) -> Result<FetchAnswer, String> {
        let known = request
            .url
            .host_str()
            .is_some_and(|host| host == HOST || host.ends_with(".web-platform.test"));
        if !known {
            return Err(LOST.to_owned());
        }
        if sockets::is_wanted(&request) {
            return sockets::answer(&request, &self.outbox);
        }
        let path = request.url.path().to_owned();
        if let Some(name) = path.strip_prefix(event_streams::FOLDER)
            && let Some(stream) = event_streams::stream(&request, name)
        {
            return Ok(stream);
        }
        if request.parameter("pipe").is_some() {
            return Err(LOST.to_owned());
        }
        match path.strip_prefix(HANDLERS) {
            _ if !path.ends_with(".py") => Ok(self.file(&path)),
            None if path == ECHO_HEADERS => Ok(plain(head_lines(&request))),
            None if path == COUNT_CONNECTIONS => Ok(self.count(&request)),
            Some("echo-content.py" | "echo-content.h2.py" | "method.py") => Ok(echo(request)),
            Some("authentication.py") => Ok(authenticate(&request)),
            Some("dump-authorization-header.py") => Ok(plain(
                request
                    .header("authorization")
                    .unwrap_or_else(|| b"none".to_vec()),
            )),
            Some("inspect-headers.py") => Ok(inspect(&request)),
            Some("status.py") => Ok(status(&request)),
            Some("redirect.py") => Ok(self.redirect(&request)),
            Some("redirect.h2.py") => {
                let location = request.parameter("location").unwrap_or_default();
                let status = request.number("redirect_status").unwrap_or(302);
                Ok(answer(
                    status,
                    &[("location", &location)],
                    IncomingBody::Bytes(Bytes::new()),
                ))
            }
            Some("redirect-empty-location.py") => Ok(answer(
                302,
                &[("location", b"")],
                IncomingBody::Bytes(Bytes::new()),
            )),
            Some("trickle.py") => Ok(self.trickle(&request)),
            Some("bad-chunk-encoding.py") => {
                let pieces = request.number("count").unwrap_or(50);
                Ok(self.stream(
                    "TEST_CHUNK".into(),
                    Some(pieces.into()),
                    None,
                    Pulled::Failed(LOST.to_owned()),
                ))
            }
            Some("huge-response.py") => {
                Ok(self.stream(vec![0; 1 << 20].into(), Some(8 << 10), None, Pulled::End))
            }
            Some("clean-stash.py") => {
                let token = request.text("token").unwrap_or_default();
                let was_there = self.stash.borrow_mut().remove(&token).is_some();
                Ok(plain(if was_there { "1" } else { "0" }))
            }
            Some("stash-put.py") => {
                let [key, value] = ["key", "value"].map(|name| request.text(name).unwrap_or_default());
                self.stash.borrow_mut().insert(key, value);
                Ok(plain("done"))
            }
            Some("stash-take.py") => {
                let key = request.text("key").unwrap_or_default();
                let value = self.stash.borrow_mut().remove(&key);
                Ok(plain(serde_json::json!(value).to_string()))
            }
            Some("infinite-slow-response.py") => Ok(self.endless(&request)),
            _ => Err(format!("The runner stands in for no {path}.")),
        }
    }

    /// A file of the checkout; what is not there is a 404.
    fn file(&self, path: &str) -> FetchAnswer {
        let kind: &[u8] = match path.rsplit('.').next() {
            Some("json") => b"application/json",
            Some("js") => b"text/javascript",
            Some("html") => b"text/html",
            _ => b"text/plain",
        };
        let Some(bytes) = self.checkout.read(path) else {
            return answer(404, &[], IncomingBody::Bytes(Bytes::new()));
        };
        if path.ends_with(".asis") {
            return as_is(&bytes);
        }
        let mut found = answer(200, &[("content-type", kind)], IncomingBody::Bytes(bytes.into()));
        if let Some(lines) = self.checkout.read(&format!("{path}.headers")) {
            for (name, value) in header_lines(&lines) {
                found
                    .headers
                    .retain(|(other, _)| *other != name || other == "set-cookie");
                found.headers.push((name, value));
            }
        }
        found
    }

    /// On to the `location`, which gets the query of this request and the number of redirects so far, unless it is to be
    /// `simple`. With a `token` that number is kept, and is the answer once it is above `max_count`.
    fn redirect(&self, request: &Received) -> FetchAnswer {
        let token = request.text("token");
        let before = token
            .as_ref()
            .and_then(|token| self.stash.borrow_mut().remove(token));
        let count = before.and_then(|count| count.parse().ok()).unwrap_or(0_u32) + 1;
        if let Some(token) = token {
            self.stash.borrow_mut().insert(token, count.to_string());
            if request
                .number("max_count")
                .is_some_and(|most| count > most.into())
            {
                return plain((count - 1).to_string());
            }
        }
        let mut told = answer(
            request.number("redirect_status").unwrap_or(302),
            &[("content-type", b"text/plain")],
            IncomingBody::Bytes(Bytes::new()),
        );
        if let Some(mut location) = request.parameter("location") {
            let text = String::from_utf8_lossy(&location);
            let stays = match url::Url::parse(&text) {
                Ok(url) => matches!(url.scheme(), "http" | "https"),
                Err(_) => !text.contains(':'),
            };
            if stays && request.parameter("simple").is_none() {
                let separator = if location.contains(&b'?') { '&' } else { '?' };
                let query = request.url.query().unwrap_or_default();
                location.extend_from_slice(format!("{separator}{query}&count={count}").as_bytes());
            }
            told.headers.push(("location".to_owned(), location));
        }
        told
    }

    /// So many pieces, one a turn.
    fn trickle(&self, request: &Received) -> FetchAnswer {
        let pieces = request.number("count").unwrap_or(50);
        self.stream(TRICKLE.into(), Some(pieces.into()), None, Pulled::End)
    }

    /// Pieces without end, until nobody wants them; the stash then says so.
    fn endless(&self, request: &Received) -> FetchAnswer {
        let key = request.text("stateKey").filter(|key| !key.is_empty());
        if let Some(key) = &key {
            self.stash.borrow_mut().insert(key.clone(), "open".to_owned());
        }
        self.stream(".".into(), None, key, Pulled::End)
    }

    /// How often a request with this `uuid` was made, on as many connections.
    fn count(&self, request: &Received) -> FetchAnswer {
        let mut stash = self.stash.borrow_mut();
        let count = stash.entry(request.text("uuid").unwrap_or_default()).or_default();
        *count = (count.parse().unwrap_or(0_u32) + 1).to_string();
        let text = format!("ok. Request was sent {count} times. {count} connections were created.");
        FetchAnswer {
            status: request.number("status").unwrap_or(200),
            ..plain(text)
        }
    }

    fn stream(&self, piece: Bytes, left: Option<u32>, key: Option<String>, end: Pulled) -> FetchAnswer {
        let source = Rc::new(Pieces {
            piece,
            left: Cell::new(left),
            end,
            outbox: Rc::clone(&self.outbox),
            stash: Rc::clone(&self.stash),
            key,
        });
        answer(
            200,
            &[("content-type", b"text/plain")],
            IncomingBody::Source { source, length: None },
        )
    }
}

fn echo(request: Received) -> FetchAnswer {
    let length = request.length.map(|length| length.to_string());
    let kind = request.header("content-type");
    answer(
        200,
        &[
            ("x-request-method", request.method.as_bytes()),
            (
                "x-request-content-length",
                length.as_deref().unwrap_or("NO").as_bytes(),
            ),
            ("x-request-content-type", kind.as_deref().unwrap_or(b"NO")),
            ("content-type", b"text/plain"),
        ],
        IncomingBody::Bytes(request.body.into()),
    )
}

/// Lets those in who say `user` and `password`.
fn authenticate(request: &Received) -> FetchAnswer {
    if request.header("authorization").as_deref() == Some(b"Basic dXNlcjpwYXNzd29yZA==") {
        return plain("Authentication done");
    }
    let realm = request.text("realm").unwrap_or_else(|| "test".to_owned());
    let challenge = format!("Basic realm=\"{realm}\"");
    answer(
        401,
        &[("www-authenticate", challenge.as_bytes())],
        IncomingBody::Bytes(Bytes::from_static(b"Please log in")),
    )
}

/// The headers, a line each.
fn head_lines(request: &Received) -> Vec<u8> {
    let line = |(name, value): &(String, Vec<u8>)| [name.as_bytes(), b": ", value, b"\n"].concat();
    request.headers.iter().flat_map(line).collect()
}

fn inspect(request: &Received) -> FetchAnswer {
    let mut told = plain("");
    for name in request.text("headers").unwrap_or_default().split('|') {
        if let Some(value) = request.header(name) {
            told.headers.push((format!("x-request-{name}"), value));
        }
    }
    told
}

fn status(request: &Received) -> FetchAnswer {
    let text = request.text("text").unwrap_or_else(|| "OMG".to_owned());
    FetchAnswer {
        status_text: text,
        ..answer(
            request.number("code").unwrap_or(200),
            &[
                ("content-type", &request.parameter("type").unwrap_or_default()),
                ("x-request-method", request.method.as_bytes()),
            ],
            IncomingBody::Bytes(request.parameter("content").unwrap_or_default().into()),
        )
    }
}

/// A whole answer, head and all.
fn as_is(bytes: &[u8]) -> FetchAnswer {
    let end = bytes.windows(2).position(|two| two == b"\n\n");
    let crlf = bytes.windows(4).position(|four| four == b"\r\n\r\n");
    let (head, body) = match (end, crlf) {
        (_, Some(at)) => (&bytes[..at], &bytes[at + 4..]),
        (Some(at), None) => (&bytes[..at], &bytes[at + 2..]),
        (None, None) => (bytes, &[][..]),
    };
    let (first, lines) = match head.iter().position(|byte| *byte == b'\n') {
        Some(at) => (&head[..at], &head[at + 1..]),
        None => (head, &[][..]),
    };
    let first = String::from_utf8_lossy(first);
    let mut words = first.trim().splitn(3, ' ').skip(1);
    let code = words.next().and_then(|code| code.parse().ok()).unwrap_or(200);
    FetchAnswer {
        status: code,
        status_text: words.next().unwrap_or_default().to_owned(),
        headers: header_lines(lines).collect(),
        body: IncomingBody::Bytes(Bytes::copy_from_slice(body)),
    }
}

/// Names in lower case, and values without the spaces around them.
fn header_lines(lines: &[u8]) -> impl Iterator<Item = (String, Vec<u8>)> + '_ {
    lines.split(|byte| *byte == b'\n').filter_map(|line| {
        let colon = line.iter().position(|byte| *byte == b':')?;
        let name = String::from_utf8_lossy(&line[..colon])
            .trim()
            .to_ascii_lowercase();
        let is_space = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\r');
        let value = &line[colon + 1..];
        let from = value
            .iter()
            .position(|byte| !is_space(byte))
            .unwrap_or(value.len());
        let to = value
            .iter()
            .rposition(|byte| !is_space(byte))
            .map_or(from, |last| last + 1);
        Some((name, value[from..to].to_vec()))
    })
}

/// Goes on with a request whose body is here, or broke off.
type Finish = Box<dyn FnOnce(Result<Received, String>)>;

/// Reads a body that comes from outside JavaScript.
fn drain(ctx: &Ctx<'_>, source: Rc<dyn ByteSource>, mut received: Received, finish: Finish) {
    let next = Rc::clone(&source);
    source.pull(
        ctx,
        Box::new(move |ctx, pulled| match pulled {
            Pulled::Chunk(bytes) => {
                received.body.extend_from_slice(&bytes);
                drain(ctx, next, received, finish);
            }
            Pulled::End => finish(Ok(received)),
            Pulled::Failed(reason) => finish(Err(reason)),
        }),
    );
}

/// Takes a body that JavaScript writes.
struct Upload(RefCell<Option<(Received, Finish)>>);

impl ByteSink for Upload {
    fn write(&self, ctx: &Ctx<'_>, chunk: Bytes, done: WriteDone) {
        if let Some((received, _)) = &mut *self.0.borrow_mut() {
            received.body.extend_from_slice(&chunk);
        }
        done(ctx, Ok(()));
    }

    fn close(&self) {
        if let Some((received, finish)) = self.0.take() {
            finish(Ok(received));
        }
    }

    fn abort(&self, reason: &str) {
        if let Some((_, finish)) = self.0.take() {
            finish(Err(reason.to_owned()));
        }
    }
}

/// A body of the same piece again and again.
struct Pieces {
    piece: Bytes,
    /// How often still; nothing means without end.
    left: Cell<Option<u32>>,
    /// What comes after them.
    end: Pulled,
    outbox: Outbox,
    stash: Rc<RefCell<HashMap<String, String>>>,
    /// Where the stash says whether anybody listens.
    key: Option<String>,
}

impl ByteSource for Pieces {
    fn pull(&self, _: &Ctx<'_>, done: PullDone) {
        let pulled = match self.left.get() {
            Some(0) => self.end.clone(),
            left => {
                self.left.set(left.map(|left| left - 1));
                Pulled::Chunk(self.piece.clone())
            }
        };
        self.outbox
            .borrow_mut()
            .push_back(Box::new(move |ctx| done(ctx, pulled)));
    }

    fn cancel(&self) {
        if let Some(key) = &self.key {
            self.stash.borrow_mut().insert(key.clone(), "closed".to_owned());
        }
    }
}
