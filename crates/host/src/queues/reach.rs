//! The queues of a project as clients reach them over HTTP: by name.

use std::collections::HashMap;
use std::sync::Arc;

use isthmus_project::{ConsumerType, Project, QueueConsumer};
use isthmus_stores::StoreError;
use isthmus_stores::queue::Queue;
use isthmus_stores::sqlite::SqliteStores;

use super::pull::Puller;

/// A queue that clients reach.
pub(crate) struct Reachable {
    /// The queue.
    pub(crate) queue: Queue,
    /// How long messages wait that don't say so themselves, in seconds.
    pub(crate) delivery_delay: u32,
    /// Whether it can be pulled, and how.
    pub(crate) puller: Option<Arc<Puller>>,
}

/// The queues of a project.
#[derive(Default)]
pub(crate) struct Reach {
    /// By name; `None` where the file can't be used.
    queues: HashMap<String, Option<Reachable>>,
}

impl Reach {
    /// The queues that a project names. What is to be said of files that can't be used is added to `unavailable`.
    ///
    /// # Errors
    /// A store that can't be opened, unless only its own file is to blame.
    pub(crate) fn new(
        project: &Project,
        stores: &SqliteStores,
        unavailable: &mut Vec<String>,
    ) -> Result<Self, StoreError> {
        let mut wanted: HashMap<&str, Wanted<'_>> = HashMap::new();
        // Upstream's delay is the queue's: the first producer sets it.
        for producer in &project.queue_producers {
            wanted.entry(&producer.queue).or_insert(Wanted {
                delivery_delay: producer.delivery_delay,
                consumer: None,
            });
        }
        for consumer in &project.queue_consumers {
            wanted.entry(&consumer.queue).or_default().consumer = Some(consumer);
            if let Some(letters) = &consumer.dead_letter_queue {
                wanted.entry(letters).or_default();
            }
        }
        let mut queues = HashMap::with_capacity(wanted.len());
        for (name, wanted) in wanted {
            let reachable = match wanted.open(name, stores) {
                Err(error) if error.concerns_one_file() => {
                    // Of the others their own bindings and consumers tell.
                    if wanted.is_pulled() {
                        unavailable.push(format!(
                            "nothing can be pulled of the queue `{name}` until its file is restored from a backup \
                             (`isthmus restore`) or moved away: {error}"
                        ));
                    }
                    None
                }
                reachable => Some(reachable?),
            };
            queues.insert(name.to_owned(), reachable);
        }
        Ok(Self { queues })
    }

    /// The queue of a name: `None` if the project has none, `Some(None)` if its file can't be used.
    pub(crate) fn get(&self, name: &str) -> Option<Option<&Reachable>> {
        self.queues.get(name).map(Option::as_ref)
    }

    /// All that can be used.
    pub(crate) fn queues(&self) -> Vec<Queue> {
        let usable = self.queues.values().flatten();
        usable.map(|reachable| reachable.queue.clone()).collect()
    }

    /// The queues that are pulled.
    pub(crate) fn pullers(&self) -> impl Iterator<Item = &Arc<Puller>> {
        self.queues
            .values()
            .flatten()
            .filter_map(|queue| queue.puller.as_ref())
    }
}

/// What a project says of a queue.
#[derive(Default)]
struct Wanted<'a> {
    delivery_delay: u32,
    consumer: Option<&'a QueueConsumer>,
}

impl Wanted<'_> {
    fn is_pulled(&self) -> bool {
        self.consumer
            .is_some_and(|consumer| consumer.consumer_type == ConsumerType::HttpPull)
    }

    fn open(&self, name: &str, stores: &SqliteStores) -> Result<Reachable, StoreError> {
        let queue = stores.queue(name)?;
        let puller = match self.consumer {
            Some(consumer) if self.is_pulled() => {
                let letters = consumer.dead_letter_queue.as_deref();
                let letters = letters.map(|name| stores.queue(name)).transpose()?;
                Some(Arc::new(Puller::new(queue.clone(), letters, consumer)))
            }
            _ => None,
        };
        Ok(Reachable {
            queue,
            delivery_delay: self.delivery_delay,
            puller,
        })
    }
}
