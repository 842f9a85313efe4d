//! The project's caches: calls on a channel, done by [`Caches`].
//!
//! A response that is stored may come from the isolate or be a body that the host holds; one that is found and long is
//! held in its turn. The answer to a put comes when what it stored is durable, or when it was decided that nothing is.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use http::StatusCode;
use http_body::Body as _;
use isthmus_protocol::{Body, FailureKind, Header, Reply, ResponseHead, StreamId, cache};
use isthmus_stores::Told;
use isthmus_stores::cache::{CacheError, CacheRequest, Caches, Found, Headers};

use super::{Broker, CallFailure, prompt};
use crate::logs::LogLevel;
use crate::network::Upload;

/// The caches, and the error that the log was last told of.
pub(crate) struct CacheGrant {
    caches: Caches,
    told: Arc<Told<String>>,
}

impl CacheGrant {
    pub(super) fn new(caches: Caches) -> Self {
        Self {
            caches,
            told: Arc::default(),
        }
    }
}

/// A call without its stream, as a task owns it.
struct Asked {
    cache: Option<String>,
    key: String,
    headers: Headers,
}

impl Asked {
    fn request(&self) -> CacheRequest<'_> {
        CacheRequest {
            cache: self.cache.as_deref(),
            key: &self.key,
            headers: &self.headers,
        }
    }
}

/// Why a put came to nothing.
enum PutFailure {
    Store(CacheError),
    Body(String),
}

impl Broker {
    /// Begins an operation; `raw` is the frame that opened the call.
    pub(super) fn begin_cache(
        self: &Arc<Self>,
        raw: &Bytes,
        stream: StreamId,
        grant: &CacheGrant,
        call: &cache::Call<'_>,
        body: &Body<'_>,
    ) -> Result<(), CallFailure> {
        let caches = grant.caches.clone();
        let told = Arc::clone(&grant.told);
        let asked = Asked {
            cache: call.cache.map(ToOwned::to_owned),
            key: call.key.to_owned(),
            headers: owned(&call.headers),
        };
        let broker = self.clone();
        match &call.operation {
            cache::Operation::Match => {
                prompt::begin(async move {
                    let found = caches.find(asked.request()).await;
                    if !broker.outgoing.has_room() {
                        broker.outgoing.room().await;
                    }
                    match found {
                        Ok(Some(found)) => broker.answer_found(stream, found),
                        Ok(None) => broker.answer(stream, Reply::Cache(cache::Reply::Nothing), None),
                        Err(error) => broker.fail_cache(stream, &error, &told),
                    }
                });
            }
            cache::Operation::Delete => {
                tokio::spawn(async move {
                    match caches.remove(asked.request()).await {
                        Ok(true) => broker.answer(stream, Reply::Cache(cache::Reply::Done), None),
                        Ok(false) => broker.answer(stream, Reply::Cache(cache::Reply::Nothing), None),
                        Err(error) => broker.fail_cache(stream, &error, &told),
                    }
                });
            }
            cache::Operation::Put(head) => {
                let (status, headers) = (head.status, owned(&head.headers));
                let upload = self.upload(raw, stream, body)?;
                tokio::spawn(async move {
                    match put(&caches, &asked, status, headers, upload).await {
                        Ok(()) => broker.answer(stream, Reply::Cache(cache::Reply::Done), None),
                        Err(PutFailure::Store(error)) => broker.fail_cache(stream, &error, &told),
                        Err(PutFailure::Body(reason)) => {
                            broker.fail(stream, &CallFailure::new(FailureKind::User, reason), false);
                        }
                    }
                });
            }
        }
        Ok(())
    }

    fn answer_found(&self, stream: StreamId, found: Found) {
        let reason = StatusCode::from_u16(found.status)
            .ok()
            .and_then(|status| status.canonical_reason());
        let head = ResponseHead {
            status: found.status,
            status_text: reason.unwrap_or_default(),
            headers: Header::borrowed(&found.headers),
            upgrade: false,
        };
        let reply = Reply::Cache(cache::Reply::Found(head));
        let Some(body) = found.body else {
            return self.answer(stream, reply, None);
        };
        self.answer_stored(stream, reply, body);
    }

    /// Names the folder in the log; the isolate hears what is wrong, not where.
    fn fail_cache(&self, stream: StreamId, error: &CacheError, told: &Told<String>) {
        let text = error.to_string();
        if told.is_news(&text) {
            self.logs.host(
                LogLevel::Error,
                format_args!(
                    "{text}. It holds nothing that can't be had again: stop the server and delete the folder"
                ),
            );
        }
        let message = format!("The cache can't be used: {}", error.reason());
        self.fail(stream, &CallFailure::new(FailureKind::Internal, message), false);
    }
}

fn owned(headers: &[Header<'_>]) -> Headers {
    headers
        .iter()
        .map(|header| (header.name.to_ascii_lowercase(), header.value.to_vec()))
        .collect()
}

/// Stores a response, as its body comes.
async fn put(
    caches: &Caches,
    asked: &Asked,
    status: u16,
    headers: Headers,
    mut upload: Upload,
) -> Result<(), PutFailure> {
    let mut draft = caches
        .put(asked.request(), status, headers)
        .await
        .map_err(PutFailure::Store)?;
    while let Some(frame) = poll_fn(|cx| Pin::new(&mut upload).poll_frame(cx)).await {
        let frame = frame.map_err(|broken| PutFailure::Body(broken.into_reason()))?;
        if let Ok(chunk) = frame.into_data() {
            draft.push(chunk).await.map_err(PutFailure::Store)?;
        }
    }
    draft.finish().await.map_err(PutFailure::Store)
}
