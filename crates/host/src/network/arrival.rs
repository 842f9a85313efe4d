//! Whether a connection has handed on all that has arrived on it, and whether anything has since it was written to.
//!
//! The reader of a body puts small pieces together as long as more of them are here (`crate::pieces`). Hyper hands on one
//! piece in each turn of its connection's task, so that having none does not mean that there is none. The connection's last
//! read tells: HTTP/1 hands on what was read before it asks the socket for more.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use http::Uri;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::client::legacy::connect::{Connected, Connection};
use tower_service::Service;

use crate::streams::lock;

/// What is known of a connection's socket; an extension of every answer that comes from it.
#[derive(Clone, Default)]
pub(crate) struct Arrival(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    /// The last read found nothing.
    is_over: bool,
    /// Who waits for that.
    waiting: Option<Waker>,
    /// An answer has come from it.
    is_kept: bool,
    /// How many reads gave something since the last write, the connection's end or failure included.
    reads: u32,
}

impl Arrival {
    /// Ready if the connection has handed on everything and waits for more to arrive. Only one task may wait.
    pub(crate) fn poll_over(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut state = lock(&self.0);
        if state.is_over {
            return Poll::Ready(());
        }
        state.waiting = Some(cx.waker().clone());
        Poll::Pending
    }

    /// An answer came: whoever uses the connection next finds it as it was left.
    pub(super) fn answered(&self) {
        lock(&self.0).is_kept = true;
    }

    /// Whether a connection that has ended was kept from an earlier exchange, and nothing but its end has come of the last
    /// one: its server may have closed it before it saw the request.
    pub(super) fn is_stale(&self) -> bool {
        let state = lock(&self.0);
        state.is_kept && state.reads <= 1
    }

    /// The socket was written to.
    fn note_write(&self) {
        lock(&self.0).reads = 0;
    }

    /// The socket was read from; whether nothing was there.
    fn note(&self, is_over: bool) {
        let waiting = {
            let mut state = lock(&self.0);
            state.is_over = is_over;
            state.reads = state.reads.saturating_add(u32::from(!is_over));
            if is_over { state.waiting.take() } else { None }
        };
        if let Some(waiting) = waiting {
            waiting.wake();
        }
    }
}

/// A connector whose connections tell of their arrivals.
#[derive(Clone)]
pub(super) struct Watching<C>(pub(super) C);

impl<C> Service<Uri> for Watching<C>
where
    C: Service<Uri>,
    C::Future: Send + 'static,
{
    type Response = Watched<C::Response>;
    type Error = C::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let connecting = self.0.call(uri);
        Box::pin(async move {
            Ok(Watched {
                inner: connecting.await?,
                arrival: Arrival::default(),
            })
        })
    }
}

/// A connection that tells of its arrivals.
pub(super) struct Watched<T> {
    inner: T,
    arrival: Arrival,
}

impl<T: Connection> Connection for Watched<T> {
    fn connected(&self) -> Connected {
        self.inner.connected().extra(self.arrival.clone())
    }
}

impl<T: Read + Unpin> Read for Watched<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let read = Pin::new(&mut self.inner).poll_read(cx, buffer);
        self.arrival.note(read.is_pending());
        read
    }
}

impl<T: Write + Unpin> Write for Watched<T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.arrival.note_write();
        Pin::new(&mut self.inner).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.arrival.note_write();
        Pin::new(&mut self.inner).poll_write_vectored(cx, slices)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;

    use super::*;

    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn whoever_waits_is_woken_once_nothing_is_left() {
        let count = Arc::new(Count(AtomicUsize::new(0)));
        let waker = Waker::from(count.clone());
        let mut cx = Context::from_waker(&waker);
        let arrival = Arrival::default();
        arrival.note(false);
        assert!(arrival.poll_over(&mut cx).is_pending());
        arrival.note(false);
        assert_eq!(count.0.load(Ordering::Relaxed), 0);
        arrival.note(true);
        assert_eq!(count.0.load(Ordering::Relaxed), 1);
        assert!(arrival.poll_over(&mut cx).is_ready());
        arrival.note(false);
        assert!(arrival.poll_over(&mut cx).is_pending());
    }
}
