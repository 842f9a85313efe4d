//! D1 databases: calls on a channel, done by [`D1Database`]. The statements are the call's body, the results its answer's.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use http_body::Body as _;
use isthmus_protocol::d1::{Query, Reply as D1Reply};
use isthmus_protocol::{Body, FailureKind, Reply, StreamId};
use isthmus_stores::d1::{D1Database, D1Error};
use isthmus_stores::{SyncPoint, Told};

use super::{Broker, CallFailure, prompt};
use crate::logs::LogLevel;
use crate::network::Upload;
use crate::streams::keep;

/// A database, and the error that the log was last told of.
pub(crate) struct D1Grant {
    database: D1Database,
    told: Arc<Told<String>>,
}

impl D1Grant {
    pub(crate) fn new(database: D1Database) -> Self {
        Self {
            database,
            told: Arc::default(),
        }
    }

    /// Whether all these states are of this database.
    pub(super) fn is_all_of(&self, points: &[SyncPoint]) -> bool {
        points.iter().all(|point| self.database.has(point))
    }
}

impl Broker {
    /// Begins to run statements; `raw` is the frame that opened the call.
    pub(super) fn begin_d1(
        self: &Arc<Self>,
        raw: &Bytes,
        stream: StreamId,
        grant: &D1Grant,
        query: Query,
        body: &Body<'_>,
    ) -> Result<(), CallFailure> {
        let database = grant.database.clone();
        let told = Arc::clone(&grant.told);
        let broker = self.clone();
        if let Body::Inline(statements) = body {
            let statements = keep(raw, statements);
            let charge = self
                .account
                .charge(statements.len())
                .ok_or_else(CallFailure::no_room)?;
            prompt::begin(async move {
                broker
                    .execute_d1(stream, &database, query, statements, &told)
                    .await;
                drop(charge);
            });
            return Ok(());
        }
        let mut charge = self.account.charge(0).ok_or_else(CallFailure::no_room)?;
        let mut upload = self.upload(raw, stream, body)?;
        tokio::spawn(async move {
            let mut statements = BytesMut::new();
            while let Some(chunk) = next_chunk(&mut upload).await {
                let failure = match chunk {
                    Ok(chunk) if charge.grow(chunk.len()) => {
                        statements.extend_from_slice(&chunk);
                        continue;
                    }
                    Ok(_) => CallFailure::no_room(),
                    Err(reason) => CallFailure::new(FailureKind::User, reason),
                };
                return broker.fail(stream, &failure, false);
            }
            broker
                .execute_d1(stream, &database, query, statements.freeze(), &told)
                .await;
            drop(charge);
        });
        Ok(())
    }

    async fn execute_d1(
        &self,
        stream: StreamId,
        database: &D1Database,
        query: Query,
        statements: Bytes,
        told: &Told<String>,
    ) {
        let result = match &self.gate {
            Some(gate) => {
                let result = database.execute_ahead(query, statements).await;
                if let Some(point) = database.unsettled() {
                    gate.tell(point);
                }
                result
            }
            None => database.execute(query, statements).await,
        };
        if !self.outgoing.has_room() {
            self.outgoing.room().await;
        }
        match result {
            Ok(answer) => {
                let bookmark = answer.bookmark.as_deref();
                let reply = D1Reply {
                    bookmark,
                    failed: None,
                };
                self.answer(stream, Reply::D1(reply), Some(&answer.results));
            }
            Err(D1Error {
                message,
                report: None,
                statement: failed @ Some(_),
            }) if query.locate => {
                let reply = D1Reply {
                    bookmark: None,
                    failed,
                };
                self.answer(stream, Reply::D1(reply), Some(&Bytes::from(message)));
            }
            Err(error) => self.fail_d1(stream, error, told),
        }
    }

    /// Names the file in the log, if it is to blame; the isolate hears what is wrong, not where.
    fn fail_d1(&self, stream: StreamId, error: D1Error, told: &Told<String>) {
        let Some(report) = error.report else {
            return self.fail(stream, &CallFailure::new(FailureKind::User, error.message), false);
        };
        if told.is_news(&report) {
            self.logs.host(LogLevel::Error, format_args!("{report}"));
        }
        self.fail(
            stream,
            &CallFailure::new(FailureKind::Internal, error.message),
            false,
        );
    }
}

/// The next piece of a body; `None` at its end, `Err` with the reason if it broke off.
async fn next_chunk(upload: &mut Upload) -> Option<Result<Bytes, String>> {
    loop {
        match poll_fn(|cx| Pin::new(&mut *upload).poll_frame(cx)).await? {
            Ok(frame) => {
                if let Ok(chunk) = frame.into_data() {
                    return Some(Ok(chunk));
                }
            }
            Err(broken) => return Some(Err(broken.into_reason())),
        }
    }
}
