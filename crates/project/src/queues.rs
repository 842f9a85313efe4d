//! `queues`: what the Worker sends to, and what it gets.

use crate::environment::Environment;
use crate::model::{ConsumerType, QueueConsumer, QueueProducer};
use crate::raw::{Node, Table, Value};
use crate::report::{Diagnostic, Findings};

/// The longest delay of a message, in seconds.
const DELAY_MAX: u64 = 86_400;

/// The longest time that pulled messages stay invisible, in milliseconds.
const VISIBILITY_MAX: u64 = 12 * 60 * 60 * 1000;

/// `queues.producers`.
pub(crate) fn producers(environment: &Environment<'_>, findings: &mut Findings) -> Vec<QueueProducer> {
    let mut producers = Vec::new();
    for (table, _) in items(environment, "producers") {
        let Some(binding) = text(table, "binding") else {
            continue;
        };
        let delay = number(table, "delivery_delay", 0..=DELAY_MAX, "seconds", findings);
        producers.push(QueueProducer {
            binding: binding.to_owned(),
            queue: text(table, "queue").unwrap_or(binding).to_owned(),
            delivery_delay: delay.unwrap_or(0) as u32,
        });
    }
    producers
}

/// `queues.consumers`. What isn't said is as in wrangler's local mode.
pub(crate) fn consumers(environment: &Environment<'_>, findings: &mut Findings) -> Vec<QueueConsumer> {
    let mut consumers: Vec<QueueConsumer> = Vec::new();
    for (table, value) in items(environment, "consumers") {
        let Some(queue) = text(table, "queue") else {
            continue;
        };
        if consumers.iter().any(|other| other.queue == queue) {
            findings.error(
                value.span,
                format!("the queue `{queue}` has two consumers; it can have one"),
            );
            continue;
        }
        let dead_letter_queue = text(table, "dead_letter_queue").map(str::to_owned);
        if dead_letter_queue.as_deref() == Some(queue)
            && let Some(entry) = table.get("dead_letter_queue")
        {
            findings.error(
                entry.value.span,
                format!("the dead letter queue of `{queue}` cannot be itself"),
            );
        }
        let mut count = |key, values| number(table, key, values, "", findings);
        let max_batch_size = count("max_batch_size", 1..=100).unwrap_or(5) as u32;
        let max_retries = count("max_retries", 0..=100).unwrap_or(2) as u32;
        // `null` leaves it to us.
        let max_concurrency = match table.get("max_concurrency").map(|entry| &entry.value.node) {
            None | Some(Node::Null) => None,
            Some(_) => count("max_concurrency", 1..=250),
        };
        let max_concurrency = max_concurrency.unwrap_or(1) as u32;
        let timeout = number(table, "max_batch_timeout", 0..=60, "seconds", findings);
        let retry_delay = number(table, "retry_delay", 0..=DELAY_MAX, "seconds", findings);
        let visibility = number(
            table,
            "visibility_timeout_ms",
            0..=VISIBILITY_MAX,
            "milliseconds",
            findings,
        );
        consumers.push(QueueConsumer {
            queue: queue.to_owned(),
            consumer_type: consumer_type(table, findings),
            max_batch_size,
            max_batch_timeout: timeout.unwrap_or(1) as u32,
            max_retries,
            dead_letter_queue,
            max_concurrency,
            visibility_timeout_ms: visibility.unwrap_or(30_000) as u32,
            retry_delay: retry_delay.unwrap_or(0) as u32,
        });
    }
    consumers
}

fn consumer_type(table: &Table, findings: &mut Findings) -> ConsumerType {
    let Some(entry) = table.get("type") else {
        return ConsumerType::Worker;
    };
    match entry.value.as_text() {
        Some("http_pull") => ConsumerType::HttpPull,
        Some("worker") | None => ConsumerType::Worker,
        Some(other) => {
            findings.add(
                Diagnostic::error(format!("there is no type of consumers {other:?}"))
                    .at(findings.origin(entry.value.span))
                    .hint("there are \"worker\" and \"http_pull\""),
            );
            ConsumerType::Worker
        }
    }
}

fn items<'a>(environment: &Environment<'a>, key: &str) -> Vec<(&'a Table, &'a Value)> {
    let list = environment
        .value("queues")
        .and_then(Value::as_table)
        .and_then(|queues| queues.get(key))
        .and_then(|entry| entry.value.as_list());
    let items = list.unwrap_or_default().iter();
    items.filter_map(|item| Some((item.as_table()?, item))).collect()
}

fn text<'a>(table: &'a Table, key: &str) -> Option<&'a str> {
    table.get(key)?.value.as_text()
}

/// A whole number in a range, if there is one.
fn number(
    table: &Table,
    key: &str,
    values: std::ops::RangeInclusive<u64>,
    unit: &str,
    findings: &mut Findings,
) -> Option<u64> {
    let value = &table.get(key)?.value;
    // A value of another kind has its error from the schema.
    let number = match &value.node {
        Node::Number(number) => number.as_u64().filter(|number| values.contains(number)),
        _ if key == "max_concurrency" => None,
        _ => return None,
    };
    if number.is_none() {
        let of = if unit.is_empty() {
            String::new()
        } else {
            format!(" of {unit}")
        };
        let (least, most) = (values.start(), values.end());
        findings.error(
            value.span,
            format!("`{key}` must be a whole number{of} from {least} to {most}"),
        );
    }
    number
}
