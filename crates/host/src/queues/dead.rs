//! Messages that were delivered too often.

use isthmus_stores::queue::{Leased, Queue, QueueError};

use super::verdict::hex;
use crate::logs::{LogLevel, Logs};

/// Moves messages that were delivered `attempts` times to the dead letters, or drops them.
pub(super) async fn bury(
    queue: &Queue,
    letters: Option<&Queue>,
    attempts: u32,
    logs: &Logs,
    dead: Vec<Leased>,
) -> Result<(), QueueError> {
    if dead.is_empty() {
        return Ok(());
    }
    let name = queue.name();
    let plural = if attempts == 1 { "" } else { "s" };
    for message in &dead {
        let id = hex(message.name);
        match letters {
            Some(letters) => logs.host(
                LogLevel::Warn,
                format_args!(
                    "Moving message \"{id}\" on queue \"{name}\" to dead letter queue \"{}\" after {attempts} failed \
                     attempt{plural}...",
                    letters.name()
                ),
            ),
            None => logs.host(
                LogLevel::Warn,
                format_args!(
                    "Dropped message \"{id}\" on queue \"{name}\" after {attempts} failed attempt{plural}!"
                ),
            ),
        }
    }
    let leases = dead.iter().map(|message| message.id).collect();
    // In this order: a message may be in both queues after a crash, never in none.
    if let Some(letters) = letters {
        letters.take_over(dead).await?;
    }
    queue.acknowledge(leases).await.map(drop)
}
