//! What an isolate says waits until what it was told is durable.
//!
//! D1 answers an isolate before the disk has what was written, so that a Worker's statements don't wait for a sync each. In
//! exchange nothing leaves an isolate that may depend on such an answer: no response, no call to another store, no `fetch`,
//! no message, no end of an event. If the sync fails, all that waits is dropped and the isolate ends, as Durable Objects do
//! upstream ([output gates](https://blog.cloudflare.com/durable-objects-easy-fast-correct-choose-three/)). What it logs isn't
//! held back.

use std::collections::VecDeque;
use std::sync::Mutex;

use bytes::Bytes;
use isthmus_stores::{NotDurable, SyncPoint};

use super::{EndReason, Frames};
use crate::broker::Waits;
use crate::streams::lock;

/// So many bytes that wait are enough: no more is read until they have left.
const HELD_MAX: usize = 1024 * 1024;

/// What an isolate was told that isn't durable yet: at most one state of each store.
#[derive(Debug, Default)]
pub(crate) struct Gate {
    points: Mutex<Vec<SyncPoint>>,
}

impl Gate {
    /// The isolate is about to be told what depends on `point`, and on all states of that store before.
    pub(crate) fn tell(&self, point: SyncPoint) {
        let mut points = lock(&self.points);
        match points.iter_mut().find(|known| known.is_of_same_store(&point)) {
            // Points come in order but for those of calls that end at once on several threads.
            Some(known) if point.is_after(known) => *known = point,
            Some(_) => {}
            None => points.push(point),
        }
    }

    /// What something that it said before now waits for: all it was told until now, or nothing if what it said `passes`.
    fn hold(&self, passes: impl Fn(&[SyncPoint]) -> bool) -> Vec<SyncPoint> {
        let mut points = lock(&self.points);
        if points.is_empty() || passes(&points) {
            return Vec::new();
        }
        points.retain(|point| !point.is_durable());
        points.clone()
    }
}

/// Frames as they come through a gate.
pub(crate) struct GatedFrames<'a> {
    frames: Frames,
    gate: Option<&'a Gate>,
    held: VecDeque<(Bytes, Vec<SyncPoint>)>,
    held_bytes: usize,
    has_ended: bool,
}

impl<'a> GatedFrames<'a> {
    pub(crate) fn new(frames: Frames, gate: Option<&'a Gate>) -> Self {
        Self {
            frames,
            gate,
            held: VecDeque::new(),
            held_bytes: 0,
            has_ended: false,
        }
    }

    /// The next frame, `None` at the end. A frame that `passes` doesn't wait, nor for those before it.
    pub(crate) async fn next(
        &mut self,
        passes: impl Fn(&Bytes, &[SyncPoint]) -> bool,
    ) -> Result<Option<Bytes>, EndReason> {
        loop {
            let frame = if let Some((_, points)) = self.held.front() {
                // The runtime is to notice at once that it is over.
                let _waits = Waits::begin();
                tokio::select! {
                    biased;
                    settled = wait_for(points) => {
                        settled.map_err(|NotDurable(reason)| EndReason::NotDurable(reason))?;
                        let frame = self.held.pop_front().map(|(frame, _)| frame);
                        self.held_bytes -= frame.as_ref().map_or(0, Bytes::len);
                        return Ok(frame);
                    }
                    frame = self.frames.next(), if !self.has_ended && self.held_bytes < HELD_MAX => frame?,
                }
            } else if self.has_ended {
                return Ok(None);
            } else {
                self.frames.next().await?
            };
            let Some(frame) = frame else {
                self.has_ended = true;
                continue;
            };
            let points = match self.gate {
                Some(gate) => gate.hold(|points| passes(&frame, points)),
                None => Vec::new(),
            };
            if points.is_empty() && (self.held.is_empty() || passes(&frame, &points)) {
                return Ok(Some(frame));
            }
            self.held_bytes += frame.len();
            self.held.push_back((frame, points));
        }
    }
}

async fn wait_for(points: &[SyncPoint]) -> Result<(), NotDurable> {
    for point in points {
        point.wait().await?;
    }
    Ok(())
}
