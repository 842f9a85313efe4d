//! Boots, deaths, replacements, the end.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::StatusCode;
use isthmus_protocol::control::FromZygote;
use isthmus_protocol::{Body, FailureKind, Frame, decode};
use tokio::net::TcpStream;
use tokio::sync::mpsc;

use super::fake::{FakeIsolate, FakeLauncher, booted};
use super::rig::{Options, PATIENCE, Rig, eventually};
use crate::limits::Timeouts;
use crate::streams::lock;

fn short() -> Timeouts {
    Timeouts {
        startup: Duration::from_millis(200),
        startup_margin: Duration::from_millis(50),
        cancel_grace: Duration::from_millis(50),
        unresponsive: Duration::from_millis(200),
        ..Timeouts::default()
    }
}

fn syntax_error() -> Option<FromZygote> {
    Some(FromZygote::Failed {
        kind: FailureKind::User,
        name: "SyntaxError".into(),
        message: "invalid syntax".into(),
        trace: "  File \"main.py\", line 3\nSyntaxError: invalid syntax".into(),
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dying_isolate_fails_only_its_own_requests_and_is_replaced() {
    let (told, mut opened) = mpsc::unbounded_channel();
    let release = Arc::new(AtomicBool::new(false));
    let released = release.clone();
    let launcher = FakeLauncher::new(move |mut isolate: FakeIsolate| {
        isolate.ready();
        while let Some(event) = isolate.next_event() {
            match event.path() {
                "/die" => return,
                "/hold" => {
                    let _ = told.send(isolate.id);
                    let mut later = isolate.clone_events();
                    let released = released.clone();
                    std::thread::spawn(move || {
                        while !released.load(Ordering::SeqCst) {
                            std::thread::sleep(Duration::from_millis(5));
                        }
                        later.answer(event.stream, "released");
                    });
                }
                _ => isolate.answer(event.stream, "fine"),
            }
        }
    });
    let options = Options {
        isolates: 2,
        ..Options::default()
    };
    let rig = Arc::new(Rig::with(launcher, options).await);
    eventually("both isolates are there", || {
        (rig.server.pool.ready() == 2).then_some(())
    })
    .await;
    let hold = || {
        let rig = rig.clone();
        tokio::spawn(async move { rig.get("/hold").await })
    };
    // One event in each isolate, since the one with fewer is chosen.
    let (first, first_in) = (hold(), opened.recv().await.expect("open"));
    let (second, second_in) = (hold(), opened.recv().await.expect("open"));
    assert_ne!(first_in, second_in);
    let (status, page) = rig.get("/die").await;
    assert_eq!(status, StatusCode::BAD_GATEWAY);
    assert!(page.contains("ended before it answered"), "{page}");
    rig.logged(&[
        "isolate",
        "exit code 3",
        "2 requests in it failed",
        "takes its place",
    ])
    .await;
    eventually("it is replaced", || (rig.server.pool.ready() == 2).then_some(())).await;
    assert_eq!(rig.get("/").await.1, "fine");
    assert_eq!(rig.launcher.launches(), 1);
    release.store(true, Ordering::SeqCst);
    let mut statuses = [
        first.await.expect("no panic").0.as_u16(),
        second.await.expect("no panic").0.as_u16(),
    ];
    statuses.sort_unstable();
    assert_eq!(
        statuses,
        [200, 502],
        "only the request in the same isolate failed"
    );
    rig.quiet().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_boot_that_fails_shows_its_traceback_until_the_file_is_mended() {
    let mended = Arc::new(AtomicBool::new(false));
    let boots = Arc::new(AtomicUsize::new(0));
    let (is_mended, counter) = (mended.clone(), boots.clone());
    let launcher = FakeLauncher::with_boot(
        move |_, _| {
            counter.fetch_add(1, Ordering::SeqCst);
            std::thread::sleep(Duration::from_millis(100));
            if is_mended.load(Ordering::SeqCst) {
                booted()
            } else {
                syntax_error()
            }
        },
        FakeIsolate::serve,
    );
    let rig = Rig::with(launcher, Options::default()).await;
    rig.logged(&[
        "[wrangler:error] the Worker could not be started",
        "SyntaxError: invalid syntax",
    ])
    .await;
    assert_eq!(boots.load(Ordering::SeqCst), 1);
    // Requests that come together share one attempt.
    let (a, b, c) = tokio::join!(rig.get("/"), rig.get("/"), rig.get("/"));
    for (status, page) in [a, b, c] {
        assert_eq!(status, 500);
        assert!(
            page.contains("File \"main.py\", line 3") && page.contains("mend the file"),
            "{page}"
        );
    }
    assert_eq!(boots.load(Ordering::SeqCst), 2);
    mended.store(true, Ordering::SeqCst);
    assert_eq!(rig.get("/mended").await, (StatusCode::OK, "/mended".into()));
    assert_eq!(boots.load(Ordering::SeqCst), 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_import_that_hangs_is_ended() {
    let launcher = FakeLauncher::with_boot(|_, _| None, FakeIsolate::serve);
    let options = Options {
        timeouts: short(),
        ..Options::default()
    };
    let rig = Rig::with(launcher, options).await;
    let (status, page) = rig.get("/").await;
    assert_eq!(status, 500);
    assert!(
        page.contains("limit") && page.contains("ISTHMUS_STARTUP_TIMEOUT"),
        "{page}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn isolates_that_die_before_they_are_ready_are_a_failed_boot() {
    let launcher = FakeLauncher::new(|isolate: FakeIsolate| drop(isolate));
    let rig = Rig::with(launcher, Options::default()).await;
    let (status, page) = rig.get("/").await;
    assert_eq!(status, 500);
    assert!(page.contains("before they can take requests"), "{page}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_an_import_left_behind_makes_isolates_import_afresh() {
    let specs = Arc::new(Mutex::new(Vec::new()));
    let seen = specs.clone();
    let launcher = FakeLauncher::with_boot(
        move |_, spec| {
            lock(&seen).push(spec.fresh);
            Some(FromZygote::Booted {
                entrypoints: Vec::new(),
                fork_hazards: if spec.fresh {
                    Vec::new()
                } else {
                    vec!["a thread, started by sentry_sdk".into()]
                },
            })
        },
        FakeIsolate::serve,
    );
    let rig = Rig::with(launcher, Options::default()).await;
    assert_eq!(rig.get("/a").await.1, "/a");
    assert_eq!(*lock(&specs), [false, true]);
    rig.logged(&["[wrangler:warn]", "a thread, started by sentry_sdk"])
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_end_of_the_zygote_fails_what_is_open_and_the_worker_starts_again() {
    let rig = Rig::new(|mut isolate: FakeIsolate| {
        isolate.ready();
        while let Some(event) = isolate.next_event() {
            if event.path() != "/hang" {
                isolate.answer(event.stream, "fine");
            }
        }
    })
    .await;
    let kill = async {
        eventually("the request is open", || {
            (rig.server.pool.open_events() == 1).then_some(())
        })
        .await;
        let zygote = lock(&rig.launcher.zygotes)[0].clone();
        zygote.kill();
    };
    let ((status, _), ()) = tokio::join!(rig.get("/hang"), kill);
    assert_eq!(status, StatusCode::BAD_GATEWAY);
    assert_eq!(rig.get("/").await.1, "fine");
    rig.logged(&["the zygote", "signal 9 (SIGKILL)"]).await;
    assert_eq!(rig.launcher.launches(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_isolate_that_never_returns_is_killed_once_its_client_is_gone() {
    let launcher = FakeLauncher::new(|mut isolate: FakeIsolate| {
        isolate.ready();
        while let Some(event) = isolate.next_event() {
            match event.path() {
                // Reads nothing until the host hangs up.
                "/stuck" => {
                    while isolate.broker.next().is_some() {}
                    return;
                }
                _ => isolate.answer(event.stream, "fine"),
            }
        }
    });
    let options = Options {
        timeouts: short(),
        ..Options::default()
    };
    let rig = Rig::with(launcher, options).await;
    let stuck = tokio::time::timeout(Duration::from_millis(500), rig.get("/stuck")).await;
    assert!(
        stuck.is_err(),
        "while the client waits, the isolate may take its time"
    );
    rig.logged(&["stood still"]).await;
    assert_eq!(rig.get("/").await.1, "fine");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cancelled_event_may_clean_up_as_long_as_the_loop_turns() {
    let (told, mut pings) = mpsc::unbounded_channel();
    let launcher = FakeLauncher::new(move |mut isolate: FakeIsolate| {
        isolate.ready();
        let mut slow = None;
        while let Some(raw) = isolate.events.next() {
            match decode::<Frame<'_>>(&raw).expect("the host is honest") {
                Frame::Open { stream, .. } => slow = Some(stream),
                Frame::Ping { nonce } => {
                    isolate.events.send(&Frame::Pong { nonce });
                    let _ = told.send(nonce);
                    if nonce > 5 {
                        isolate.done(slow.take().expect("pinged for the sake of an event"));
                    }
                }
                Frame::Shutdown => return,
                _ => {}
            }
        }
    });
    let options = Options {
        timeouts: short(),
        ..Options::default()
    };
    let rig = Rig::with(launcher, options).await;
    assert!(
        tokio::time::timeout(Duration::from_millis(100), rig.get("/slow"))
            .await
            .is_err()
    );
    for _ in 0..6 {
        tokio::time::timeout(PATIENCE, pings.recv())
            .await
            .expect("in time")
            .expect("the isolate lives");
    }
    rig.quiet().await;
    assert_eq!(rig.server.pool.ready(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_end_waits_for_open_requests_and_for_what_follows_them() {
    let steps = Arc::new(Mutex::new(Vec::new()));
    let log = steps.clone();
    let rig = Rig::new(move |mut isolate: FakeIsolate| {
        isolate.ready();
        while let Some(event) = isolate.next_event() {
            std::thread::sleep(Duration::from_millis(200));
            isolate.reply(event.stream, 200, &[], Body::Inline(b"late"));
            std::thread::sleep(Duration::from_millis(200));
            lock(&log).push("waitUntil is over");
            isolate.done(event.stream);
        }
        lock(&log).push("the isolate was asked to end");
    })
    .await;
    let Rig {
        addr,
        server,
        launcher,
        log,
        log_thread,
    } = rig;
    let request = tokio::spawn(async move {
        let mut socket = TcpStream::connect(addr).await.expect("listens");
        tokio::io::AsyncWriteExt::write_all(&mut socket, b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
            .await
            .expect("open");
        let mut answer = String::new();
        tokio::io::AsyncReadExt::read_to_string(&mut socket, &mut answer)
            .await
            .expect("text");
        answer
    });
    eventually("the request is open", || {
        (server.pool.open_events() == 1).then_some(())
    })
    .await;
    tokio::time::timeout(PATIENCE, server.stop())
        .await
        .expect("in time");
    let answer = request.await.expect("no panic");
    assert!(
        answer.starts_with("HTTP/1.1 200") && answer.ends_with("late"),
        "{answer}"
    );
    eventually("both steps", || (lock(&steps).len() == 2).then_some(())).await;
    assert_eq!(
        *lock(&steps),
        ["waitUntil is over", "the isolate was asked to end"]
    );
    assert!(TcpStream::connect(addr).await.is_err(), "nobody listens any more");
    drop((launcher, log_thread, log));
}
