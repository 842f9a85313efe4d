//! From a project to what an isolate may know of it and what its channels are: the place where names,
//! paths and ids of the configuration turn into capabilities.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use isthmus_assets::Assets;
use isthmus_project::{ConsumerType, Project, QueueConsumer, VarValue};
use isthmus_protocol::control::{Binding, IsolateSpec};
use isthmus_protocol::queue::ContentType;
use isthmus_stores::StoreError;
use isthmus_stores::cache::CacheLimits;
use isthmus_stores::sqlite::SqliteStores;

use crate::broker::{D1Grant, Grant, GrantTable, QueueGrant, R2Grant, RateLimitGrant, SecretGrant};
use crate::network::Network;
use crate::queues::{Consumer, Reach, Settings};

/// What a project comes to.
pub(crate) struct Plan {
    /// For the zygote.
    pub(crate) spec: IsolateSpec,
    /// For the broker.
    pub(crate) grants: GrantTable,
    /// The queues whose messages the Worker gets.
    pub(crate) consumers: Vec<Consumer>,
    /// The queues that clients reach over HTTP.
    pub(crate) reach: Reach,
    /// What is to be said of bindings whose store can't be opened: they fail, the others work.
    pub(crate) unavailable: Vec<String>,
}

/// Why a project can't be planned.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PlanError {
    /// A binding of a kind that isn't served.
    #[error("the binding `{binding}` ({kind}) can't be served by Isthmus yet")]
    Unserved {
        /// Its name.
        binding: String,
        /// Its kind.
        kind: &'static str,
    },
    /// A path that can't be sent to Python as text.
    #[error("the path {path:?} is not valid UTF-8, which the Worker's modules need")]
    Path {
        /// The path, as far as it can be shown.
        path: String,
    },
    /// The system has no random bytes.
    #[error("no random bytes can be had: {0}")]
    Random(String),
    /// A store that can't be opened.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What a project is planned with.
pub(crate) struct Means<'a> {
    pub(crate) stores: &'a SqliteStores,
    /// The project's static assets.
    pub(crate) assets: Option<&'a Arc<Assets>>,
    pub(crate) network: Network,
    pub(crate) cache: CacheLimits,
    /// How long the Worker may take to start.
    pub(crate) startup: Duration,
}

/// Plans a project.
///
/// # Errors
/// [`PlanError`].
pub(crate) fn plan(project: &Project, means: Means<'_>) -> Result<Plan, PlanError> {
    let Means {
        stores,
        assets,
        network,
        cache,
        startup,
    } = means;
    if let Some(unserved) = project.unserved.first() {
        return Err(PlanError::Unserved {
            binding: unserved.binding.clone(),
            kind: unserved.kind,
        });
    }
    let mut grants = GrantTable::new(network, Some(stores.caches(cache)));
    let mut bindings = Vec::with_capacity(project.vars.len() + project.kv_namespaces.len());
    for (name, value) in &project.vars {
        let binding = match value {
            VarValue::Text(text) => Binding::Text(text.clone()),
            VarValue::Json(json) => Binding::Json(json.clone()),
        };
        bindings.push((name.clone(), binding));
    }
    let mut unavailable = Vec::new();
    // A store that can't be used is no reason to keep the others from their work.
    let mut or_unavailable = |grant: Result<Grant, StoreError>, binding: &str| match grant {
        Err(error) if error.concerns_one_file() => {
            unavailable.push(format!(
                "the binding `{binding}` fails until its file is restored from a backup (`isthmus restore`) or moved away: {error}"
            ));
            Ok(Grant::Unavailable)
        }
        grant => grant,
    };
    for namespace in &project.kv_namespaces {
        let grant = or_unavailable(stores.kv(&namespace.id).map(Grant::Kv), &namespace.binding)?;
        let channel = grants.add(grant);
        bindings.push((namespace.binding.clone(), Binding::Kv(channel)));
    }
    for database in &project.d1_databases {
        let grant = stores.d1(&database.id).map(|d1| Grant::D1(D1Grant::new(d1)));
        let channel = grants.add(or_unavailable(grant, &database.binding)?);
        bindings.push((database.binding.clone(), Binding::D1(channel)));
    }
    for bucket in &project.r2_buckets {
        let channel = grants.add(Grant::R2(R2Grant::new(stores.r2(&bucket.name)?, &bucket.name)));
        bindings.push((bucket.binding.clone(), Binding::R2(channel)));
    }
    let sends_json = project
        .flags
        .iter()
        .any(|&(name, on)| on && name == "queues_json_messages");
    for producer in &project.queue_producers {
        let grant = stores.queue(&producer.queue).map(|queue| {
            Grant::Queue(QueueGrant {
                queue,
                delivery_delay: producer.delivery_delay,
                controls: false,
            })
        });
        let channel = grants.add(or_unavailable(grant, &producer.binding)?);
        let default_type = if sends_json {
            ContentType::Json
        } else {
            ContentType::V8
        };
        let binding = Binding::Queue {
            channel,
            default_type,
        };
        bindings.push((producer.binding.clone(), binding));
    }
    for limit in &project.rate_limits {
        let limiter = stores.rate_limiter(&limit.namespace_id);
        let channel = grants.add(Grant::RateLimit(RateLimitGrant {
            limiter,
            limit: limit.limit,
            period: limit.period,
        }));
        bindings.push((limit.binding.clone(), Binding::RateLimit(channel)));
    }
    for secret in &project.stored_secrets {
        let grant = stores.secrets(&secret.store_id).map(|store| {
            Grant::Secret(SecretGrant {
                store,
                name: secret.secret_name.clone(),
            })
        });
        let channel = grants.add(or_unavailable(grant, &secret.binding)?);
        bindings.push((secret.binding.clone(), Binding::Secret(channel)));
    }
    if let (Some(assets), Some(binding)) = (
        assets,
        project.assets.as_ref().and_then(|assets| assets.binding.as_ref()),
    ) {
        let channel = grants.add(Grant::Assets(Arc::clone(assets)));
        bindings.push((binding.clone(), Binding::Fetcher(channel)));
    }
    if let Some(binding) = &project.version_metadata {
        bindings.push((binding.clone(), Binding::Json(version_metadata()?)));
    }
    let workers = project.queue_consumers.iter();
    let mut consumers = Vec::new();
    for configured in workers.filter(|consumer| consumer.consumer_type == ConsumerType::Worker) {
        match consumer(configured, stores) {
            Err(error) if error.concerns_one_file() => unavailable.push(format!(
                "nothing is delivered of the queue `{}` until its file is restored from a backup (`isthmus restore`) or moved away: {error}",
                configured.queue
            )),
            consumer => consumers.push(consumer?),
        }
    }
    let reach = Reach::new(project, stores, &mut unavailable)?;
    let spec = IsolateSpec {
        name: project.name.clone(),
        main: text(&project.main)?,
        module_root: text(&project.module_root)?,
        python_modules: project.python_modules.as_deref().map(text).transpose()?,
        flags: project
            .flags
            .iter()
            .map(|&(name, on)| (name.to_owned(), on))
            .collect(),
        bindings,
        fresh: false,
        startup_timeout_ms: startup.as_millis() as u64,
    };
    Ok(Plan {
        spec,
        grants,
        unavailable,
        consumers,
        reach,
    })
}

fn consumer(configured: &QueueConsumer, stores: &SqliteStores) -> Result<Consumer, StoreError> {
    let letters = configured.dead_letter_queue.as_deref();
    Ok(Consumer {
        queue: stores.queue(&configured.queue)?,
        dead_letters: letters.map(|name| stores.queue(name)).transpose()?,
        settings: Settings {
            batch_size: configured.max_batch_size as usize,
            batch_timeout: Duration::from_secs(configured.max_batch_timeout.into()),
            attempts: configured.max_retries + 1,
            // A day at most.
            retry_delay: configured.retry_delay.cast_signed(),
            concurrency: configured.max_concurrency as usize,
        },
    })
}

/// What a Worker is told of its version, which begins anew with each start.
fn version_metadata() -> Result<String, PlanError> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|error| PlanError::Random(error.to_string()))?;
    // A UUID of version 4: <https://www.rfc-editor.org/rfc/rfc9562#name-uuid-version-4>.
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let hex = bytes.map(|byte| format!("{byte:02x}")).concat();
    let id = [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-");
    let now = jiff::Timestamp::now();
    Ok(format!(r#"{{"id":"{id}","tag":"","timestamp":"{now:.3}"}}"#))
}

fn text(path: &Path) -> Result<String, PlanError> {
    path.to_str().map(str::to_owned).ok_or_else(|| PlanError::Path {
        path: path.to_string_lossy().into_owned(),
    })
}
