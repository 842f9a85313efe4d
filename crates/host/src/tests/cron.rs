//! Cron triggers: when they come, what the isolate is told, what the client that sets one off is answered.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use http::{Request, StatusCode};
use isthmus_project::Cron;
use isthmus_protocol::{Outcome, Report};
use jiff::{SignedDuration, Timestamp};
use tokio::sync::{mpsc, watch};

use super::fake::{FakeIsolate, FakeLauncher};
use super::rig::{Options, PATIENCE, Rig, whole};
use crate::cron;
use crate::delivery::Courier;

/// An isolate whose scheduled events end as their expression says.
fn obey(told: mpsc::UnboundedSender<(String, i64)>) -> impl Fn(FakeIsolate) + Send + Sync + 'static {
    move |mut isolate| {
        isolate.ready();
        while let Some(event) = isolate.next_event() {
            let Some((cron, time)) = event.scheduled else {
                isolate.answer(event.stream, "fetch");
                continue;
            };
            let (outcome, no_retry) = match cron.as_str() {
                "raise" => (Outcome::Exception, true),
                "reject" => (Outcome::Exception, false),
                _ => (Outcome::Ok, false),
            };
            let _ = told.send((cron, time));
            if no_retry {
                isolate.raise(event.stream, "it raised");
            } else {
                isolate.finish(event.stream);
            }
            isolate.end(event.stream, outcome, Report::Scheduled { no_retry });
        }
    }
}

async fn rig(test_scheduled: bool) -> (Rig, mpsc::UnboundedReceiver<(String, i64)>) {
    let (told, heard) = mpsc::unbounded_channel();
    let options = Options {
        test_scheduled,
        ..Options::default()
    };
    (Rig::with(FakeLauncher::new(obey(told)), options).await, heard)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_trigger_set_off_by_hand_is_answered_with_its_outcome() {
    let (rig, mut heard) = rig(false).await;
    for (path, status, text) in [
        ("/cdn-cgi/handler/scheduled?cron=*+*+*+*+*&time=5", 200, "ok"),
        ("/cdn-cgi/handler/scheduled?cron=reject&time=5", 500, "exception"),
        ("/cdn-cgi/handler/scheduled?cron=raise&time=5", 500, "exception"),
        ("/cdn-cgi/mf/scheduled?cron=raise&time=5", 500, "exception"),
        (
            "/cdn-cgi/handler/scheduled?cron=raise&time=5&format=json",
            500,
            r#"{"outcome":"exception","noRetry":true}"#,
        ),
        (
            "/cdn-cgi/handler/scheduled?time=5&format=json",
            200,
            r#"{"outcome":"ok","noRetry":false}"#,
        ),
    ] {
        let answer = rig.get(path).await;
        assert_eq!(
            answer,
            (StatusCode::from_u16(status).expect("a status"), text.to_owned()),
            "{path}"
        );
        assert_eq!(heard.recv().await.expect("an event").1, 5);
    }
    rig.logged(&["the scheduled event \"raise\" failed", "it raised"])
        .await;
    rig.logged(&["/cdn-cgi/mf/scheduled is deprecated"]).await;
    assert_eq!(rig.get("/cdn-cgi/handler/scheduled?time=x").await.0, 400);
    // Without a time it is now.
    let before = cron::now();
    assert_eq!(rig.get("/cdn-cgi/handler/scheduled").await.1, "ok");
    let (cron, time) = heard.recv().await.expect("an event");
    assert_eq!(cron, "");
    assert!((before..=cron::now()).contains(&time));
    // Only with an option.
    assert_eq!(rig.get("/__scheduled?cron=a").await.1, "fetch");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn test_scheduled_has_a_path_of_its_own() {
    let (rig, mut heard) = rig(true).await;
    assert_eq!(
        rig.get("/__scheduled?cron=*+*+*+*+*").await,
        (StatusCode::OK, "Ran scheduled event".to_owned())
    );
    assert_eq!(heard.recv().await.expect("an event").0, "* * * * *");
    assert_eq!(rig.get("/__scheduled?cron=raise").await.0, 500);
    heard.recv().await.expect("an event");
    assert_eq!(rig.get("/other").await.1, "fetch");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_trigger_answers_only_to_this_machine() {
    let (rig, mut heard) = rig(true).await;
    for path in [
        "/cdn-cgi/handler/scheduled",
        "/cdn-cgi/mf/scheduled",
        "/__scheduled",
    ] {
        for (name, value) in [("host", "example.com"), ("origin", "https://evil.example")] {
            let request = Request::get(path).header(name, value).body(Default::default());
            let (parts, _) = whole(rig.send(request.expect("a good request")).await).await;
            assert_eq!(parts.status, 403, "{path} {name}");
        }
    }
    assert!(heard.try_recv().is_err());
}

/// Runs triggers by a clock that shows `start` first and then goes on from `then`.
async fn run_by(rig: &Rig, crons: &[&str], start: &str, then: &str) -> watch::Sender<bool> {
    let crons = crons.iter().map(|text| text.parse::<Cron>().expect("a cron"));
    let (start, then): (Timestamp, Timestamp) =
        (start.parse().expect("a moment"), then.parse().expect("a moment"));
    let looks = AtomicUsize::new(0);
    let began = Instant::now();
    let clock = move || match looks.fetch_add(1, Ordering::SeqCst) {
        0 => start,
        _ => then + SignedDuration::try_from(began.elapsed()).expect("short"),
    };
    let (stop, stopped) = watch::channel(false);
    let courier = Courier {
        pool: Arc::clone(&rig.server.pool),
        logs: rig.server.logs.clone(),
    };
    tokio::spawn(cron::run(crons.collect(), courier, clock, stopped));
    stop
}

fn moment(text: &str) -> i64 {
    text.parse::<Timestamp>().expect("a moment").as_millisecond()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn triggers_come_when_they_are_due_and_once() {
    let (rig, mut heard) = rig(false).await;
    let crons = ["* * * * *", "1 10 * * *", "2 10 * * *"];
    let moment_before = "2026-11-23T10:00:59.900Z";
    let _running = run_by(&rig, &crons, moment_before, moment_before).await;
    let mut came = Vec::new();
    for _ in 0..2 {
        let event = tokio::time::timeout(PATIENCE, heard.recv()).await;
        came.push(event.expect("in time").expect("an event"));
    }
    came.sort();
    let due = moment("2026-11-23T10:01:00Z");
    assert_eq!(
        came,
        [("* * * * *".to_owned(), due), ("1 10 * * *".to_owned(), due)]
    );
    rig.logged(&["scheduled \"1 10 * * *\" ok"]).await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(heard.try_recv().is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_missed_is_not_made_up_for() {
    let (rig, mut heard) = rig(false).await;
    let _running = run_by(
        &rig,
        &["* * * * *"],
        "2026-11-23T10:00:30Z",
        "2026-11-23T12:00:59.900Z",
    )
    .await;
    let mut times = Vec::new();
    for _ in 0..2 {
        let event = tokio::time::timeout(PATIENCE, heard.recv()).await;
        times.push(event.expect("in time").expect("an event").1);
    }
    // The machine slept for two hours: the minute it woke in counts, no other.
    assert_eq!(
        times,
        [moment("2026-11-23T12:00:00Z"), moment("2026-11-23T12:01:00Z")]
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clock_that_is_set_back_is_followed() {
    let (rig, mut heard) = rig(false).await;
    let _running = run_by(
        &rig,
        &["* * * * *"],
        "2026-11-23T10:00:00Z",
        "2026-11-23T08:00:59.900Z",
    )
    .await;
    let event = tokio::time::timeout(PATIENCE, heard.recv()).await;
    assert_eq!(
        event.expect("in time").expect("an event").1,
        moment("2026-11-23T08:01:00Z")
    );
}
