//! Many requests at once, and nothing left behind.

use std::sync::Arc;

use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use super::fake::{FakeIsolate, FakeLauncher};
use super::rig::{Options, Rig, whole};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_requests_at_once_get_their_own_answers() {
    let launcher = FakeLauncher::new(FakeIsolate::serve);
    let options = Options {
        isolates: 2,
        ..Options::default()
    };
    let rig = Arc::new(Rig::with(launcher, options).await);
    crate::serve::raise_descriptor_limit();
    let clients: Vec<_> = (0..1000)
        .map(|client| {
            let rig = rig.clone();
            tokio::spawn(async move {
                let socket = TcpStream::connect(rig.addr).await.expect("listens");
                let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(socket))
                    .await
                    .expect("HTTP");
                tokio::spawn(connection);
                for turn in 0..3 {
                    let path = format!("/{client}/{turn}");
                    let request = Request::get(&path)
                        .header("host", "localhost")
                        .body(Full::<Bytes>::default())
                        .expect("a good request");
                    let (parts, body) = whole(sender.send_request(request).await.expect("an answer")).await;
                    assert_eq!((parts.status.as_u16(), &body[..]), (200, path.as_bytes()));
                }
            })
        })
        .collect();
    for client in clients {
        client.await.expect("every answer is right");
    }
    rig.quiet().await;
}

/// Not a test but a measurement: `cargo test --release -p isthmus-host -- --ignored --nocapture bench`
/// serves for a while for a load generator such as `wrk`. The thread `isthmus-host` is the host.
#[test]
#[ignore = "a measurement, to be run by hand beside a load generator"]
fn bench_host() {
    use isthmus_protocol::{Body, Frame, Header, Open, Outcome, Reply, Report, ResponseHead, decode, encode};
    use std::io::Write;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .thread_name("isthmus-host")
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        // One `write` per turn, as a real isolate does.
        let launcher = FakeLauncher::new(|mut isolate: FakeIsolate| {
            isolate.ready();
            let mut out = Vec::new();
            while let Some(first) = isolate.events.next() {
                let mut frame = Some(first);
                while let Some(raw) = frame {
                    if let Ok(Frame::Open {
                        stream,
                        open: Open::Event(_),
                        ..
                    }) = decode(&raw)
                    {
                        let head = ResponseHead {
                            status: 200,
                            status_text: "",
                            headers: vec![Header {
                                name: "content-type",
                                value: b"text/plain",
                            }],
                            upgrade: false,
                        };
                        let reply = Frame::Reply {
                            stream,
                            reply: Reply::Response(head),
                            body: Body::Inline(b"Hello, world!"),
                        };
                        encode(&reply, &mut out).expect("short");
                        let outcome = Outcome::Ok;
                        let report = Report::None;
                        encode(
                            &Frame::Done {
                                stream,
                                outcome,
                                report,
                            },
                            &mut out,
                        )
                        .expect("short");
                    } else if let Ok(Frame::Ping { nonce }) = decode(&raw) {
                        encode(&Frame::Pong { nonce }, &mut out).expect("short");
                    }
                    frame = isolate.events.next_buffered();
                }
                isolate.events.socket.write_all(&out).expect("open");
                out.clear();
            }
        });
        let rig = Rig::with(launcher, Options::quiet()).await;
        eprintln!("serving on http://{}", rig.addr);
        tokio::time::sleep(std::time::Duration::from_secs(15)).await;
    });
}
