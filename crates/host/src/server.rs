//! A running server: front, pool and supervisor put together, and their orderly end.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use isthmus_assets::Assets;
use isthmus_project::Cron;
use isthmus_protocol::control::IsolateSpec;
use jiff::Timestamp;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Duration, Instant, sleep, timeout, timeout_at};

use crate::broker::GrantTable;
use crate::cron;
use crate::delivery::Courier;
use crate::front::Front;
use crate::isolate::IsolateContext;
use crate::launch::Launch;
use crate::limits::Timeouts;
use crate::logs::{LogLevel, Logs};
use crate::pool::Pool;
use crate::queues::{self, Consumer, Reach};
use crate::supervisor::Supervisor;

/// How often the end looks whether all events are over.
const LOOK_INTERVAL: Duration = Duration::from_millis(20);

/// How long the isolates and the zygote may take to end.
const SUPERVISOR_WAIT: Duration = Duration::from_secs(4);

/// What a server is made of.
pub(crate) struct Setup {
    pub(crate) listener: TcpListener,
    pub(crate) launcher: Arc<dyn Launch>,
    pub(crate) spec: IsolateSpec,
    pub(crate) grants: GrantTable,
    /// The static assets.
    pub(crate) assets: Option<Arc<Assets>>,
    /// How many isolates to keep.
    pub(crate) isolates: usize,
    pub(crate) logs: Logs,
    pub(crate) timeouts: Timeouts,
    /// The longest request body, in bytes.
    pub(crate) request_body_max: Option<u64>,
    /// Whether `/__scheduled` runs the Worker's `scheduled` handler.
    pub(crate) test_scheduled: bool,
    /// When `scheduled` runs.
    pub(crate) crons: Vec<Cron>,
    /// The queues whose messages the Worker gets.
    pub(crate) consumers: Vec<Consumer>,
    /// The queues that clients reach over HTTP.
    pub(crate) reach: Reach,
}

/// A running server.
pub(crate) struct Server {
    addr: SocketAddr,
    /// The isolates.
    pub(crate) pool: Arc<Pool>,
    pub(crate) logs: Logs,
    grace: Duration,
    front: JoinHandle<()>,
    consumers: JoinSet<()>,
    supervisor: JoinHandle<()>,
    stop_front: watch::Sender<bool>,
    stop_supervisor: watch::Sender<bool>,
    booted: Option<oneshot::Receiver<()>>,
}

impl Server {
    /// Begins to serve; requests that come before the Worker has booted wait for it.
    ///
    /// # Errors
    /// If the listener has no address.
    pub(crate) fn start(setup: Setup) -> io::Result<Self> {
        let addr = setup.listener.local_addr()?;
        let (notes, heard) = mpsc::unbounded_channel();
        let (stop_front, front_stopped) = watch::channel(false);
        let (stop_supervisor, supervisor_stopped) = watch::channel(false);
        let (booted, when_booted) = oneshot::channel();
        let pool = Arc::new(Pool::new(notes.clone(), setup.timeouts.clone()));
        let courier = Courier {
            pool: pool.clone(),
            logs: setup.logs.clone(),
        };
        tokio::spawn(cron::run(
            setup.crons,
            courier.clone(),
            Timestamp::now,
            front_stopped.clone(),
        ));
        let mut consumers: JoinSet<()> = setup
            .consumers
            .into_iter()
            .map(|consumer| queues::run(consumer, courier.clone(), front_stopped.clone()))
            .collect();
        consumers.spawn(queues::expire(
            setup.reach.queues(),
            setup.logs.clone(),
            front_stopped.clone(),
        ));
        for puller in setup.reach.pullers() {
            consumers.spawn(puller.clone().run(setup.logs.clone(), front_stopped.clone()));
        }
        let front = Arc::new(Front {
            assets: setup.assets,
            courier: courier.clone(),
            logs: setup.logs.clone(),
            timeouts: setup.timeouts.clone(),
            request_body_max: setup.request_body_max,
            test_scheduled: setup.test_scheduled,
            local: addr.to_string(),
            reach: setup.reach,
            shutdown: front_stopped.clone(),
        });
        let grace = setup.timeouts.shutdown_grace;
        let supervisor = Supervisor {
            launcher: setup.launcher,
            spec: setup.spec,
            wanted: setup.isolates.max(1),
            context: IsolateContext {
                grants: Arc::new(setup.grants),
                logs: setup.logs.clone(),
                notes,
                timeouts: setup.timeouts,
            },
            pool: pool.clone(),
            notes: heard,
            shutdown: supervisor_stopped,
            booted: Some(booted),
        };
        Ok(Self {
            addr,
            pool,
            logs: setup.logs,
            grace,
            consumers,
            front: tokio::spawn(front.run(setup.listener, front_stopped)),
            supervisor: tokio::spawn(supervisor.run()),
            stop_front,
            stop_supervisor,
            booted: Some(when_booted),
        })
    }

    /// The address it listens on.
    pub(crate) fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Ends once the first boot of the Worker has ended, well or badly; to be called once.
    pub(crate) async fn booted(&mut self) {
        if let Some(booted) = self.booted.take() {
            // An error means that the supervisor has ended, and so has the boot.
            let _ = booted.await;
        }
    }

    /// Ends it: no new connections, open requests and events are finished within the grace period, isolates
    /// and the zygote end.
    pub(crate) async fn stop(mut self) {
        let deadline = Instant::now() + self.grace;
        self.stop_front.send_replace(true);
        let answered = timeout_at(deadline, &mut self.front).await.is_ok();
        // What became of the last batches is to be noted, too.
        let _ = timeout_at(deadline, async {
            while self.consumers.join_next().await.is_some() {}
        })
        .await;
        while self.pool.open_events() > 0 && Instant::now() < deadline {
            sleep(LOOK_INTERVAL).await;
        }
        let open = self.pool.open_events();
        if !answered || open > 0 {
            self.logs.host(
                LogLevel::Warn,
                format_args!(
                    "the server ends with {open} events unfinished, {} s after it was asked to",
                    self.grace.as_secs()
                ),
            );
            self.front.abort();
        }
        self.stop_supervisor.send_replace(true);
        // Whatever still hangs then ends with the process.
        let _ = timeout(SUPERVISOR_WAIT, &mut self.supervisor).await;
    }
}
