//! `queues`: producers and consumers, their defaults and limits.

use isthmus_project::{ConsumerType, QueueConsumer, QueueProducer};

use crate::folder::with;

#[test]
fn what_is_not_said_is_as_in_wranglers_local_mode() {
    let project = with(
        r#"  "queues": {
    "producers": [{"binding": "A", "queue": "jobs", "delivery_delay": 60}, {"binding": "B"}],
    "consumers": [
      {"queue": "jobs"},
      {"queue": "B", "type": "http_pull", "max_batch_size": 100, "max_batch_timeout": 0, "max_retries": 0,
       "dead_letter_queue": "dead", "max_concurrency": 250, "visibility_timeout_ms": 5000, "retry_delay": 86400},
      {"queue": "c", "max_concurrency": null, "type": "worker"}
    ]
  }"#,
    )
    .load();
    let producer = |binding: &str, queue: &str, delivery_delay| QueueProducer {
        binding: binding.to_owned(),
        queue: queue.to_owned(),
        delivery_delay,
    };
    assert_eq!(
        project.queue_producers,
        [producer("A", "jobs", 60), producer("B", "B", 0)]
    );
    let usual = QueueConsumer {
        queue: "jobs".to_owned(),
        consumer_type: ConsumerType::Worker,
        max_batch_size: 5,
        max_batch_timeout: 1,
        max_retries: 2,
        dead_letter_queue: None,
        max_concurrency: 1,
        visibility_timeout_ms: 30_000,
        retry_delay: 0,
    };
    let said = QueueConsumer {
        queue: "B".to_owned(),
        consumer_type: ConsumerType::HttpPull,
        max_batch_size: 100,
        max_batch_timeout: 0,
        max_retries: 0,
        dead_letter_queue: Some("dead".to_owned()),
        max_concurrency: 250,
        visibility_timeout_ms: 5000,
        retry_delay: 86_400,
    };
    let last = QueueConsumer {
        queue: "c".to_owned(),
        ..usual.clone()
    };
    assert_eq!(project.queue_consumers, [usual, said, last]);
    assert_eq!(project.warnings.to_string(), "");
}

#[test]
fn a_wrong_value_is_an_error_at_its_place() {
    assert_eq!(
        with(r#"  "queues": {"consumers": [{"queue": "jobs", "max_batch_size": 0}]}"#).errors(),
        r#"error: `max_batch_size` must be a whole number from 1 to 100
 --> [DIR]/wrangler.jsonc:6:64
  |
6 |   "queues": {"consumers": [{"queue": "jobs", "max_batch_size": 0}]}
  |                                                                ^
"#
    );
    for (consumer, message) in [
        (
            r#""max_batch_timeout": 61"#,
            "`max_batch_timeout` must be a whole number of seconds from 0 to 60",
        ),
        (
            r#""max_retries": 1.5"#,
            "`max_retries` must be a whole number from 0 to 100",
        ),
        (
            r#""retry_delay": -1"#,
            "`retry_delay` must be a whole number of seconds from 0 to 86400",
        ),
        (
            r#""max_concurrency": "many""#,
            "`max_concurrency` must be a whole number from 1 to 250",
        ),
        (
            r#""visibility_timeout_ms": 43200001"#,
            "`visibility_timeout_ms` must be a whole number of milliseconds from 0 to 43200000",
        ),
        (r#""type": "pull""#, "there is no type of consumers \"pull\""),
        (
            r#""dead_letter_queue": "jobs""#,
            "the dead letter queue of `jobs` cannot be itself",
        ),
    ] {
        let report = with(&format!(
            r#"  "queues": {{"consumers": [{{"queue": "jobs", {consumer}}}]}}"#
        ))
        .errors();
        assert!(report.starts_with(&format!("error: {message}\n")), "{report}");
    }
}
