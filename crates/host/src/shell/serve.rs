//! The host's side: connections become brokers whose channels are what the command asked for.

use std::sync::Arc;
use std::time::Duration;

use isthmus_protocol::shell::{Hello, Resource, Welcome};
use isthmus_protocol::{decode, encode};
use isthmus_stores::sqlite::SqliteStores;
use isthmus_stores::{StoreError, WHAT_TO_DO};
use tokio::io::AsyncWriteExt;
use tokio::net::UnixStream;
use tokio::net::unix::OwnedWriteHalf;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::socket::Listening;
use crate::broker::{Broker, D1Grant, Grant, GrantTable, QueueGrant, R2Grant};
use crate::isolate::Frames;
use crate::logs::{LogLevel, Logs};

/// The version that both sides must be.
pub(super) const VERSION: &str = env!("CARGO_PKG_VERSION");

/// How long a connection may take to say what it wants.
const HELLO_WAIT: Duration = Duration::from_secs(10);

/// How long to wait when no descriptor is left for a connection.
const ACCEPT_DELAY: Duration = Duration::from_millis(100);

/// Serves the commands that connect, until it is dropped.
pub(crate) async fn serve(listening: Listening, stores: Arc<SqliteStores>, logs: Logs) {
    let mut connections = JoinSet::new();
    loop {
        match listening.listener.accept().await {
            Ok((connection, _)) => {
                connections.spawn(serve_connection(connection, stores.clone(), logs.clone()));
            }
            Err(error) => {
                logs.host(
                    LogLevel::Warn,
                    format_args!("a command can't be taken up: {error}"),
                );
                sleep(ACCEPT_DELAY).await;
            }
        }
        while connections.try_join_next().is_some() {}
    }
}

/// Serves one command until its connection ends.
pub(super) async fn serve_connection(connection: UnixStream, stores: Arc<SqliteStores>, logs: Logs) {
    let (reading, mut writing) = connection.into_split();
    let mut frames = Frames::new(reading);
    // Who says nothing was only looking whether somebody listens.
    let Ok(Ok(Some(hello))) = timeout(HELLO_WAIT, frames.next()).await else {
        return;
    };
    if !matches!(decode::<&str>(&hello), Ok(VERSION)) {
        return say(&mut writing, &Welcome::OtherVersion(VERSION)).await;
    }
    // Stores are opened, which may take a moment.
    let granted = tokio::task::spawn_blocking(move || match decode::<Hello<'_>>(&hello) {
        Ok(hello) => grant(&hello.resources, &stores).map_err(|error| {
            if error.concerns_one_file() {
                format!("{error}\n{WHAT_TO_DO}.")
            } else {
                error.to_string()
            }
        }),
        Err(_) => Err("the command can't be understood".to_owned()),
    });
    let grants = match granted.await {
        Ok(Ok(grants)) => grants,
        Ok(Err(reason)) => return say(&mut writing, &Welcome::Refused(&reason)).await,
        // It panicked, which was reported.
        Err(_) => return,
    };
    say(&mut writing, &Welcome::Granted).await;
    let broker = Arc::new(Broker::new(Arc::new(grants), logs.clone(), None));
    let served = tokio::select! {
        served = broker.serve(frames) => served.map_err(|reason| reason.to_string()),
        // The command is gone.
        _ = broker.outgoing().write_to(writing.as_ref()) => Ok(()),
    };
    if let Err(reason) = served {
        logs.host(LogLevel::Warn, format_args!("a command was cut off: {reason}"));
    }
    broker.close();
    // The last handle of a store writes what is left of its log, which takes a moment.
    let _ = tokio::task::spawn_blocking(move || drop(broker)).await;
}

/// The channels of a command.
fn grant(resources: &[Resource<'_>], stores: &Arc<SqliteStores>) -> Result<GrantTable, StoreError> {
    let row = |resource: &Resource<'_>| {
        Ok(match resource {
            Resource::State => Grant::State(stores.clone()),
            Resource::Kv { id } => Grant::Kv(stores.kv(id)?),
            Resource::Secrets { id } => Grant::Kv(stores.secrets(id)?),
            Resource::D1 { id } => Grant::D1(D1Grant::new(stores.d1(id)?)),
            Resource::R2 { name } => Grant::R2(R2Grant::new(stores.r2(name)?, name)),
            Resource::Queue { name } => Grant::Queue(QueueGrant {
                queue: stores.queue(name)?,
                delivery_delay: 0,
                controls: true,
            }),
        })
    };
    resources
        .iter()
        .map(row)
        .collect::<Result<_, _>>()
        .map(GrantTable::of)
}

async fn say(writing: &mut OwnedWriteHalf, welcome: &Welcome<'_>) {
    let mut bytes = Vec::new();
    if encode(welcome, &mut bytes).is_ok() {
        // A command that is gone needs no answer.
        let _ = writing.write_all(&bytes).await;
    }
}
