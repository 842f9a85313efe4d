//! One document being rewritten, on a fiber of its own.
//!
//! The fiber gives [`Event`]s and is continued with [`Order`]s. While a handler is to run, the token that it is about
//! stays on the fiber's stack, and what JavaScript wants of it comes as [`Order::Ask`] (`token.rs`).

use std::cell::RefCell;
use std::collections::HashMap;
use std::error::Error;
use std::rc::Rc;

use bytes::Bytes;
use lol_html::html_content::{ContentType, StreamingHandler, StreamingHandlerSink};
use lol_html::{
    AsciiCompatibleEncoding, DocumentContentHandlers, ElementContentHandlers, HandlerResult, HtmlRewriter,
    MemorySettings, Selector, Settings,
};

use super::fiber::{Fiber, Suspender};
use super::token::{Answer, Ask, Token};

/// How many bytes are rewritten, or come out, before the reader is asked whether it wants more.
const PIECE: usize = 64 * 1024;
/// Both as upstream: bytes for a tag or a comment that isn't there as a whole, and for everything the parser keeps.
const BUFFER: usize = 1024;
const MEMORY: usize = 3 * 1024 * 1024;

/// What a fiber stops for.
pub(super) enum Event {
    /// It wants [`Order::Chunk`] or [`Order::Finish`].
    Input,
    /// There is much output; [`Order::Go`] goes on.
    Output,
    /// A handler is to be called; [`Order::Go`] once it has returned.
    Handler {
        /// Its number: see [`Handlers`].
        handler: u32,
        /// What it is to be called with.
        kind: Kind,
    },
    /// It wants [`Order::Content`] of the stream of this number, or [`Order::ContentEnd`].
    Content(u32),
    /// To [`Order::Ask`].
    Answer(Answer),
    /// The document is complete; the last event.
    End,
    /// The rewriting has failed; the last event.
    Failed(String),
}

/// What a fiber is continued with.
pub(super) enum Order {
    /// Begin.
    Begin,
    /// A part of the document.
    Chunk(Bytes),
    /// The document is complete.
    Finish,
    /// Go on.
    Go,
    /// Something is wanted of the current token.
    Ask(Ask),
    /// A part of a stream's content.
    Content(Vec<u8>),
    /// That is all of the stream's content.
    ContentEnd,
    /// Come to an end at once.
    Stop,
}

/// The classes of tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Element,
    EndTag,
    Comment,
    Text,
    Doctype,
    DocumentEnd,
}

/// The handlers of one call of `on` or `onDocument`. Those of the n-th call have the numbers from 4n on, in the order of the
/// fields. End tags' handlers are numbered by JavaScript.
pub(super) enum Handlers {
    Element {
        selector: Rc<Selector>,
        element: bool,
        comments: bool,
        text: bool,
    },
    Document {
        doctype: bool,
        comments: bool,
        text: bool,
        end: bool,
    },
}

/// How a document is to be read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Dialect {
    pub(super) encoding: AsciiCompatibleEncoding,
    /// Whether the tags of [Edge Side Includes](https://www.w3.org/TR/esi-lang/) have no end tags.
    pub(super) has_esi: bool,
}

/// The fiber's half of the way to JavaScript.
pub(super) type Channel = Suspender<Order, Event>;

/// What a handler returns when the rewriting is to stop; nobody sees it.
#[derive(Debug, thiserror::Error)]
#[error("The rewriting was stopped.")]
struct Stopped;

/// Numbers of end tags' handlers that will not be called any more.
pub(super) type Released = Rc<RefCell<Vec<u32>>>;

/// What the handlers of one rewriting share.
#[derive(Clone)]
pub(super) struct Shared {
    pub(super) channel: Channel,
    pub(super) released: Released,
    /// Names the channel for handlers that must be `Send`.
    key: u64,
}

thread_local! {
    static CHANNELS: RefCell<(u64, HashMap<u64, Channel>)> = RefCell::default();
}

/// Forgets the channel when the rewriting ends.
struct Registered(u64);

impl Registered {
    fn new(channel: &Channel) -> Self {
        CHANNELS.with_borrow_mut(|(last, channels)| {
            *last += 1;
            channels.insert(*last, channel.clone());
            Self(*last)
        })
    }
}

impl Drop for Registered {
    fn drop(&mut self) {
        // The thread may be about to end, and its channels gone already.
        let _ = CHANNELS.try_with(|channels| channels.borrow_mut().1.remove(&self.0));
    }
}

/// A fiber that rewrites one document; begin it with [`Order::Begin`]. What comes out is added to `output`.
pub(super) fn begin(
    handlers: Vec<Handlers>,
    dialect: Dialect,
    output: Rc<RefCell<Vec<u8>>>,
    released: Released,
) -> std::io::Result<Fiber<Order, Event>> {
    Fiber::new(move |channel: &Channel, _| {
        let registered = Registered::new(channel);
        let shared = Shared {
            channel: channel.clone(),
            released,
            key: registered.0,
        };
        let sink = |bytes: &[u8]| output.borrow_mut().extend_from_slice(bytes);
        let mut rewriter = HtmlRewriter::new(settings(&handlers, dialect, &shared), sink);
        loop {
            match channel.suspend(Event::Input) {
                Order::Chunk(chunk) => {
                    for piece in chunk.chunks(PIECE) {
                        if let Err(error) = rewriter.write(piece) {
                            return Event::Failed(error.to_string());
                        }
                        if output.borrow().len() >= PIECE
                            && !matches!(channel.suspend(Event::Output), Order::Go)
                        {
                            return Event::End;
                        }
                    }
                }
                Order::Finish => {
                    return match rewriter.end() {
                        Ok(()) => Event::End,
                        Err(error) => Event::Failed(error.to_string()),
                    };
                }
                _ => return Event::End,
            }
        }
    })
}

fn settings<'s>(all: &'s [Handlers], dialect: Dialect, shared: &Shared) -> Settings<'static, 's> {
    let memory = MemorySettings::new()
        .with_preallocated_parsing_buffer_size(BUFFER)
        .with_max_allowed_memory_usage(MEMORY);
    let mut settings = Settings::new()
        .with_encoding(dialect.encoding)
        .with_enable_esi_tags(dialect.has_esi)
        .with_memory_settings(memory)
        .with_strict(true)
        .with_adjust_charset_on_meta_tag(false);
    // A handler for the tokens of one kind, numbered `$number`, if there is to be one.
    macro_rules! handler {
        ($given:expr, $number:expr, $kind:ident, $type:ty) => {
            $given.then(|| {
                let (shared, handler) = (shared.clone(), $number);
                Box::new(move |token: $type| serve(&shared, handler, Kind::$kind, token)) as Box<_>
            })
        };
    }
    for (first, handlers) in (0u32..).step_by(4).zip(all) {
        match handlers {
            Handlers::Element {
                selector,
                element,
                comments,
                text,
            } => {
                let handlers = ElementContentHandlers {
                    element: handler!(
                        element,
                        first,
                        Element,
                        &mut lol_html::html_content::Element<'_, '_>
                    ),
                    comments: handler!(
                        comments,
                        first + 1,
                        Comment,
                        &mut lol_html::html_content::Comment<'_>
                    ),
                    text: handler!(text, first + 2, Text, &mut lol_html::html_content::TextChunk<'_>),
                };
                settings = settings
                    .append_element_content_handler((std::borrow::Cow::Borrowed(&**selector), handlers));
            }
            Handlers::Document {
                doctype,
                comments,
                text,
                end,
            } => {
                settings = settings.append_document_content_handler(DocumentContentHandlers {
                    doctype: handler!(doctype, first, Doctype, &mut lol_html::html_content::Doctype<'_>),
                    comments: handler!(
                        comments,
                        first + 1,
                        Comment,
                        &mut lol_html::html_content::Comment<'_>
                    ),
                    text: handler!(text, first + 2, Text, &mut lol_html::html_content::TextChunk<'_>),
                    end: handler!(
                        end,
                        first + 3,
                        DocumentEnd,
                        &mut lol_html::html_content::DocumentEnd<'_>
                    ),
                });
            }
        }
    }
    settings
}

/// Has a handler called with `token`, and answers what is asked of the token until the handler has returned.
pub(super) fn serve(shared: &Shared, handler: u32, kind: Kind, token: &mut impl Token) -> HandlerResult {
    let mut order = shared.channel.suspend(Event::Handler { handler, kind });
    loop {
        order = match order {
            Order::Ask(ask) => shared.channel.suspend(Event::Answer(token.answer(ask, shared))),
            Order::Go => return Ok(()),
            _ => return Err(Stopped.into()),
        };
    }
}

/// Content that comes from the stream of this number.
pub(super) struct Streamed {
    key: u64,
    stream: u32,
    kind: ContentType,
}

impl Streamed {
    pub(super) fn new(shared: &Shared, stream: u32, kind: ContentType) -> Self {
        Self {
            key: shared.key,
            stream,
            kind,
        }
    }
}

impl StreamingHandler for Streamed {
    fn write_all(
        self: Box<Self>,
        sink: &mut StreamingHandlerSink<'_>,
    ) -> Result<(), Box<dyn Error + Send + Sync>> {
        let Some(channel) = CHANNELS.with_borrow(|(_, channels)| channels.get(&self.key).cloned()) else {
            return Err(Stopped.into());
        };
        loop {
            match channel.suspend(Event::Content(self.stream)) {
                Order::Content(bytes) => sink.write_utf8_chunk(&bytes, self.kind)?,
                Order::ContentEnd => return Ok(()),
                _ => return Err(Stopped.into()),
            }
        }
    }
}
