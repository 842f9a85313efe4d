//! The platform's limits: <https://developers.cloudflare.com/queues/platform/limits/>, and the texts of what exceeds them.

use std::ops::RangeInclusive;

use super::QueueError;

/// The longest body, in bytes.
pub const MAX_MESSAGE_BYTES: usize = 128_000;

/// The most messages that are sent together.
pub const MAX_BATCH_MESSAGES: usize = 100;

/// The longest bodies of messages that are sent together, in bytes. Upstream's text speaks of 256000.
pub const MAX_BATCH_BYTES: usize = 288_000;

/// The longest delay, in seconds.
pub const MAX_DELAY_SECONDS: i32 = 86_400;

/// How long messages are kept unless something else is set, in seconds: four days.
pub const RETENTION: u32 = 4 * 86_400;

/// How long they can be kept, in seconds: from a minute to two weeks.
pub const RETENTIONS: RangeInclusive<u32> = 60..=14 * 86_400;

/// Upstream's codes: <https://developers.cloudflare.com/queues/reference/error-codes/>.
const MESSAGE_METADATA: u16 = 10_203;
const MESSAGE_SIZE: u16 = 10_204;
const BATCH_SIZE: u16 = 10_205;
const BATCH_COUNT: u16 = 10_206;

/// Checks the length of one message.
pub(super) fn check_message(bytes: usize) -> Result<(), QueueError> {
    if bytes <= MAX_MESSAGE_BYTES {
        return Ok(());
    }
    Err(QueueError::refusal(
        413,
        MESSAGE_SIZE,
        format!("message length of {bytes} bytes exceeds limit of {MAX_MESSAGE_BYTES}"),
    ))
}

/// Checks messages that are sent together, by their lengths.
pub(super) fn check_batch(lengths: impl ExactSizeIterator<Item = usize> + Clone) -> Result<(), QueueError> {
    let too_large = |code, message| Err(QueueError::refusal(413, code, message));
    let count = lengths.len();
    if count > MAX_BATCH_MESSAGES {
        let text = format!("batch message count of {count} exceeds limit of {MAX_BATCH_MESSAGES}");
        return too_large(BATCH_COUNT, text);
    }
    let largest = lengths.clone().max().unwrap_or(0);
    if largest > MAX_MESSAGE_BYTES {
        let text = format!(
            "message in batch has length {largest} bytes which exceeds single message size limit of {MAX_MESSAGE_BYTES}"
        );
        return too_large(MESSAGE_SIZE, text);
    }
    let total: usize = lengths.sum();
    if total > MAX_BATCH_BYTES {
        let text = format!("batch size of {total} bytes exceeds limit of 256000");
        return too_large(BATCH_SIZE, text);
    }
    Ok(())
}

/// Checks a delay, in seconds.
pub(super) fn check_delay(seconds: i32) -> Result<u32, QueueError> {
    match u32::try_from(seconds) {
        Ok(delay) if seconds <= MAX_DELAY_SECONDS => Ok(delay),
        _ => Err(QueueError::refusal(
            400,
            MESSAGE_METADATA,
            format!(
                "message delay {seconds} is invalid: it must be a number of seconds from 0 to {MAX_DELAY_SECONDS}"
            ),
        )),
    }
}

/// Checks for how long messages are to be kept, in seconds.
pub(super) fn check_retention(seconds: u32) -> Result<(), QueueError> {
    if RETENTIONS.contains(&seconds) {
        return Ok(());
    }
    let (least, most) = (RETENTIONS.start(), RETENTIONS.end());
    Err(QueueError::new(
        400,
        format!(
            "message retention period {seconds} is invalid: it must be a number of seconds from {least} to {most}"
        ),
    ))
}
