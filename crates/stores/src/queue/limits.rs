//! The platform's limits: <https://developers.cloudflare.com/queues/platform/limits/>, and the texts of what exceeds them.

use super::QueueError;

/// The longest body, in bytes.
pub const MAX_MESSAGE_BYTES: usize = 128_000;

/// The most messages that are sent together.
pub const MAX_BATCH_MESSAGES: usize = 100;

/// The longest bodies of messages that are sent together, in bytes. Upstream's text speaks of 256000.
pub const MAX_BATCH_BYTES: usize = 288_000;

/// The longest delay, in seconds.
pub const MAX_DELAY_SECONDS: i32 = 86_400;

/// Checks the length of one message.
pub(super) fn check_message(bytes: usize) -> Result<(), QueueError> {
    if bytes <= MAX_MESSAGE_BYTES {
        return Ok(());
    }
    Err(QueueError::new(
        413,
        format!("message length of {bytes} bytes exceeds limit of {MAX_MESSAGE_BYTES}"),
    ))
}

/// Checks messages that are sent together, by their lengths.
pub(super) fn check_batch(lengths: impl ExactSizeIterator<Item = usize> + Clone) -> Result<(), QueueError> {
    let too_large = |message| Err(QueueError::new(413, message));
    let count = lengths.len();
    if count > MAX_BATCH_MESSAGES {
        return too_large(format!(
            "batch message count of {count} exceeds limit of {MAX_BATCH_MESSAGES}"
        ));
    }
    let largest = lengths.clone().max().unwrap_or(0);
    if largest > MAX_MESSAGE_BYTES {
        return too_large(format!(
            "message in batch has length {largest} bytes which exceeds single message size limit of {MAX_MESSAGE_BYTES}"
        ));
    }
    let total: usize = lengths.sum();
    if total > MAX_BATCH_BYTES {
        return too_large(format!("batch size of {total} bytes exceeds limit of 256000"));
    }
    Ok(())
}

/// Checks a delay, in seconds.
pub(super) fn check_delay(seconds: i32) -> Result<u32, QueueError> {
    match u32::try_from(seconds) {
        Ok(delay) if seconds <= MAX_DELAY_SECONDS => Ok(delay),
        _ => Err(QueueError::new(
            400,
            format!(
                "message delay {seconds} is invalid: it must be a number of seconds from 0 to {MAX_DELAY_SECONDS}"
            ),
        )),
    }
}
