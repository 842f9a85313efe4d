//! Messages that are too old: dropped though nobody asks for them.

use std::time::Duration;

use isthmus_stores::queue::Queue;
use tokio::sync::watch;
use tokio::time::MissedTickBehavior;

use crate::logs::{LogLevel, Logs};

/// How often is looked for them.
const LOOK: Duration = Duration::from_secs(60);

/// Drops them until the server ends.
pub(crate) async fn expire(queues: Vec<Queue>, logs: Logs, mut shutdown: watch::Receiver<bool>) {
    let mut looks = tokio::time::interval(LOOK);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let all = async {
        loop {
            looks.tick().await;
            for queue in &queues {
                drop_old(queue, &logs).await;
            }
        }
    };
    tokio::select! {
        () = all => {}
        // An error means that nobody is left to ask for the end, which is the end too.
        _ = shutdown.wait_for(|ended| *ended) => {}
    }
}

async fn drop_old(queue: &Queue, logs: &Logs) {
    let name = queue.name();
    let result = queue.expire().await;
    let dropped = queue.take_expired();
    if dropped > 0 {
        let messages = if dropped == 1 { "message" } else { "messages" };
        logs.host(
            LogLevel::Warn,
            format_args!("Dropped {dropped} {messages} on queue \"{name}\" older than its retention period"),
        );
    }
    if let Err(error) = result {
        logs.host(
            LogLevel::Error,
            format_args!("old messages of the queue {name:?} can't be dropped: {error}"),
        );
    }
}
