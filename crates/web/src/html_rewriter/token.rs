//! What can be asked of the tokens of a document.

use lol_html::html_content::{
    Comment, ContentType, Doctype, DocumentEnd, Element, EndTag, StreamingHandler, TextChunk,
};

use super::rewrite::{Kind, Released, Shared, Streamed, serve};

/// What JavaScript wants of the current token.
pub(super) enum Ask {
    /// The name of an element, an end tag or a doctype.
    Name,
    SetName(String),
    NamespaceUri,
    IsRemoved,
    Attribute(String),
    /// The attribute at this position.
    AttributeAt(usize),
    HasAttribute(String),
    SetAttribute(String, String),
    RemoveAttribute(String),
    Insert(Place, Content),
    Remove,
    RemoveAndKeepContent,
    /// The end tag's handler, instead of any other.
    OnEndTag(u32),
    Text,
    SetText(String),
    IsLastInTextNode,
    PublicId,
    SystemId,
}

/// Where content goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Before,
    After,
    Prepend,
    Append,
    Replace,
    Inner,
}

/// What is inserted.
pub(super) enum Content {
    /// A string.
    Text(String, ContentType),
    /// What the stream of this number gives.
    Stream(u32, ContentType),
}

/// The answer to an [`Ask`].
pub(super) enum Answer {
    Done,
    /// A property that may be missing.
    Text(Option<String>),
    Flag(bool),
    /// A name and its value; none past the last.
    Pair(Option<(String, String)>),
    /// The parser's reason to refuse it.
    Refused(String),
}

impl<E: std::fmt::Display> From<Result<(), E>> for Answer {
    fn from(result: Result<(), E>) -> Self {
        match result {
            Ok(()) => Self::Done,
            Err(error) => Self::Refused(error.to_string()),
        }
    }
}

/// A token that is being handled.
pub(super) trait Token {
    fn answer(&mut self, ask: Ask, shared: &Shared) -> Answer;
}

/// What a class of tokens does not have; its JavaScript class doesn't either.
fn unknown() -> Answer {
    Answer::Refused("This token has no such property.".to_owned())
}

type Streaming = Box<dyn StreamingHandler + Send + 'static>;

fn streaming(shared: &Shared, stream: u32, kind: ContentType) -> Streaming {
    Box::new(Streamed::new(shared, stream, kind))
}

/// Inserts into a token that has places before, after and instead of it.
macro_rules! insert {
    ($token:expr, $place:expr, $content:expr, $shared:expr, {$($name:ident: $method:ident / $streaming:ident),*} $(, $other:pat => $refused:expr)?) => {
        match ($place, $content) {
            $(
                (Place::$name, Content::Text(text, kind)) => $token.$method(&text, kind),
                (Place::$name, Content::Stream(stream, kind)) => {
                    $token.$streaming(streaming($shared, stream, kind));
                }
            )*
            $($other => $refused,)?
        }
    };
}

/// Tells JavaScript that the handler of an end tag is not needed any more, called or not.
struct EndTagHandler {
    handler: u32,
    released: Released,
}

impl Drop for EndTagHandler {
    fn drop(&mut self) {
        self.released.borrow_mut().push(self.handler);
    }
}

impl Token for Element<'_, '_> {
    fn answer(&mut self, ask: Ask, shared: &Shared) -> Answer {
        match ask {
            Ask::Name => return Answer::Text(Some(self.tag_name())),
            Ask::SetName(name) => return self.set_tag_name(&name).into(),
            Ask::NamespaceUri => return Answer::Text(Some(self.namespace_uri().to_owned())),
            Ask::IsRemoved => return Answer::Flag(self.removed()),
            Ask::Attribute(name) => return Answer::Text(self.get_attribute(&name)),
            Ask::AttributeAt(index) => {
                let attribute = self.attributes().get(index);
                return Answer::Pair(attribute.map(|attribute| (attribute.name(), attribute.value())));
            }
            Ask::HasAttribute(name) => return Answer::Flag(self.has_attribute(&name)),
            Ask::SetAttribute(name, value) => return self.set_attribute(&name, &value).into(),
            Ask::RemoveAttribute(name) => self.remove_attribute(&name),
            Ask::Insert(place, content) => insert!(self, place, content, shared, {
                Before: before / streaming_before,
                After: after / streaming_after,
                Prepend: prepend / streaming_prepend,
                Append: append / streaming_append,
                Replace: replace / streaming_replace,
                Inner: set_inner_content / streaming_set_inner_content
            }),
            Ask::Remove => self.remove(),
            Ask::RemoveAndKeepContent => self.remove_and_keep_content(),
            Ask::OnEndTag(handler) => {
                let registered = EndTagHandler {
                    handler,
                    released: Released::clone(&shared.released),
                };
                let shared = shared.clone();
                let Some(handlers) = self.end_tag_handlers() else {
                    return Answer::Refused("No end tag.".to_owned());
                };
                handlers.clear();
                handlers.push(Box::new(move |tag| {
                    serve(&shared, registered.handler, Kind::EndTag, tag)
                }));
            }
            _ => return unknown(),
        }
        Answer::Done
    }
}

impl Token for EndTag<'_> {
    fn answer(&mut self, ask: Ask, shared: &Shared) -> Answer {
        match ask {
            Ask::Name => return Answer::Text(Some(self.name())),
            Ask::SetName(name) => self.set_name_str(name),
            Ask::Insert(place, content) => insert!(self, place, content, shared, {
                Before: before / streaming_before,
                After: after / streaming_after
            }, _ => return unknown()),
            Ask::Remove => self.remove(),
            _ => return unknown(),
        }
        Answer::Done
    }
}

impl Token for Comment<'_> {
    fn answer(&mut self, ask: Ask, shared: &Shared) -> Answer {
        match ask {
            Ask::Text => return Answer::Text(Some(self.text())),
            Ask::SetText(text) => return self.set_text(&text).into(),
            Ask::IsRemoved => return Answer::Flag(self.removed()),
            Ask::Insert(place, content) => insert!(self, place, content, shared, {
                Before: before / streaming_before,
                After: after / streaming_after,
                Replace: replace / streaming_replace
            }, _ => return unknown()),
            Ask::Remove => self.remove(),
            _ => return unknown(),
        }
        Answer::Done
    }
}

impl Token for TextChunk<'_> {
    fn answer(&mut self, ask: Ask, shared: &Shared) -> Answer {
        match ask {
            Ask::Text => return Answer::Text(Some(self.as_str().to_owned())),
            Ask::IsLastInTextNode => return Answer::Flag(self.last_in_text_node()),
            Ask::IsRemoved => return Answer::Flag(self.removed()),
            Ask::Insert(place, content) => insert!(self, place, content, shared, {
                Before: before / streaming_before,
                After: after / streaming_after,
                Replace: replace / streaming_replace
            }, _ => return unknown()),
            Ask::Remove => self.remove(),
            _ => return unknown(),
        }
        Answer::Done
    }
}

impl Token for Doctype<'_> {
    fn answer(&mut self, ask: Ask, _: &Shared) -> Answer {
        match ask {
            Ask::Name => Answer::Text(self.name()),
            Ask::PublicId => Answer::Text(self.public_id()),
            Ask::SystemId => Answer::Text(self.system_id()),
            _ => unknown(),
        }
    }
}

impl Token for DocumentEnd<'_> {
    fn answer(&mut self, ask: Ask, _: &Shared) -> Answer {
        match ask {
            Ask::Insert(Place::Append, Content::Text(text, kind)) => {
                self.append(&text, kind);
                Answer::Done
            }
            _ => unknown(),
        }
    }
}
