//! Connections to the network: names resolved, addresses checked, TLS where the URL says so.

use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::dns::Name;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::{ClientConfig, RootCertStore};
use tokio::sync::OnceCell;
use tower_service::Service;

use super::arrival::Watching;
use super::policy::AddressPolicy;
use super::upload::Upload;

/// How long an idle connection is kept for the next request.
const IDLE: Duration = Duration::from_secs(60);

/// How many idle connections are kept for each server.
const IDLE_MAX: usize = 64;

/// How many headers an answer may have, and how long those of HTTP/2 may be together, in bytes; hyper's own limits (100,
/// and 16 KiB) are below what servers send. Those of HTTP/1.1 are bounded by hyper's buffer, about 400 KiB.
const HEADERS_MAX: usize = 1024;
const HEAD_MAX: u32 = 256 * 1024;

/// The addresses of a name that the policy doesn't allow.
#[derive(Debug, thiserror::Error)]
#[error("outbound requests may not reach the address of {host}: the option --outbound doesn't name it")]
pub(super) struct Forbidden {
    pub(super) host: String,
}

/// A name that has no address.
#[derive(Debug, thiserror::Error)]
#[error("DNS lookup failed for {host}: {source}")]
pub(super) struct Unresolved {
    host: String,
    source: io::Error,
}

/// The system's resolver, under a policy.
#[derive(Clone)]
pub(super) struct Resolver {
    policy: AddressPolicy,
}

impl Service<Name> for Resolver {
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = Box<dyn std::error::Error + Send + Sync>;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let policy = self.policy;
        Box::pin(async move {
            let host = name.as_str().to_owned();
            let found = tokio::net::lookup_host((name.as_str(), 0)).await;
            let found: Vec<_> = match found {
                Ok(found) => found.collect(),
                Err(source) => return Err(Unresolved { host, source }.into()),
            };
            let allowed: Vec<_> = found
                .into_iter()
                .filter(|found| policy.allows(found.ip()))
                .collect();
            if allowed.is_empty() {
                return Err(Forbidden { host }.into());
            }
            Ok(allowed.into_iter())
        })
    }
}

/// A pool of connections.
pub(super) type Pool = Client<Watching<HttpsConnector<HttpConnector<Resolver>>>, Upload>;

/// The pools: connections without TLS need no certificates, which take a while to load.
pub(super) struct Pools {
    policy: AddressPolicy,
    connect: Duration,
    plain: Pool,
    secure: OnceCell<Pool>,
    /// For WebSockets, which HTTP/1.1 alone has here.
    sockets: OnceCell<Pool>,
    tls: OnceCell<Arc<ClientConfig>>,
}

impl Pools {
    pub(super) fn new(policy: AddressPolicy, connect: Duration) -> Self {
        Self {
            policy,
            connect,
            plain: pool(
                policy,
                connect,
                client_config(RootCertStore::empty()),
                Versions::All,
            ),
            secure: OnceCell::new(),
            sockets: OnceCell::new(),
            tls: OnceCell::new(),
        }
    }

    /// The pool for a URL.
    ///
    /// # Errors
    /// A sentence if the machine has no certificates to trust, or [`Forbidden`] if the URL names an address outright.
    pub(super) async fn of(&self, uri: &http::Uri) -> Result<&Pool, String> {
        self.allow(uri)?;
        if uri.scheme() != Some(&http::uri::Scheme::HTTPS) {
            return Ok(&self.plain);
        }
        self.secure.get_or_try_init(|| self.load(Versions::All)).await
    }

    /// The pool for a URL that a WebSocket is asked of.
    ///
    /// # Errors
    /// As above.
    pub(super) async fn for_sockets(&self, uri: &http::Uri) -> Result<&Pool, String> {
        self.allow(uri)?;
        if uri.scheme() != Some(&http::uri::Scheme::HTTPS) {
            return Ok(&self.plain);
        }
        self.sockets.get_or_try_init(|| self.load(Versions::First)).await
    }

    async fn load(&self, versions: Versions) -> Result<Pool, String> {
        let config = self.tls().await?;
        Ok(pool(self.policy, self.connect, (*config).clone(), versions))
    }

    /// Whether the policy allows a URL that names an address outright.
    fn allow(&self, uri: &http::Uri) -> Result<(), String> {
        let host = uri.host().unwrap_or_default();
        if let Ok(address) = host.trim_matches(['[', ']']).parse::<IpAddr>()
            && !self.policy.allows(address)
        {
            let host = host.to_owned();
            return Err(Forbidden { host }.to_string());
        }
        Ok(())
    }

    /// How TLS is done.
    ///
    /// # Errors
    /// A sentence if the machine has no certificates to trust.
    pub(super) async fn tls(&self) -> Result<Arc<ClientConfig>, String> {
        let load = || async {
            let roots = tokio::task::spawn_blocking(roots)
                .await
                .map_err(|error| error.to_string())??;
            Ok(Arc::new(client_config(roots)))
        };
        self.tls.get_or_try_init(load).await.cloned()
    }

    /// The addresses of a host, of those that may be reached.
    ///
    /// # Errors
    /// A sentence if there is none.
    pub(super) async fn addresses(&self, host: &str) -> Result<Vec<IpAddr>, String> {
        let host = host.trim_matches(['[', ']']);
        if let Ok(address) = host.parse() {
            if self.policy.allows(address) {
                return Ok(vec![address]);
            }
            let host = host.to_owned();
            return Err(Forbidden { host }.to_string());
        }
        let name: Name = host
            .parse()
            .map_err(|_| format!("{host:?} is no name of a host"))?;
        let found = Resolver { policy: self.policy }.call(name).await;
        let found = found.map_err(|error| error.to_string())?;
        Ok(found.map(|address| address.ip()).collect())
    }
}

/// The certificates that the system trusts; `SSL_CERT_FILE` and `SSL_CERT_DIR` name others.
fn roots() -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    let found = rustls_native_certs::load_native_certs();
    roots.add_parsable_certificates(found.certs);
    if roots.is_empty() {
        let why = found
            .errors
            .first()
            .map_or_else(String::new, |error| format!(": {error}"));
        return Err(format!(
            "there are no certificates to trust on this machine{why}; install the package ca-certificates, or name a \
             file of certificates in SSL_CERT_FILE"
        ));
    }
    Ok(roots)
}

/// The versions of HTTP that connections may speak.
#[derive(Clone, Copy)]
enum Versions {
    All,
    /// HTTP/1.1 alone.
    First,
}

fn client_config(roots: RootCertStore) -> ClientConfig {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map(|config| config.with_root_certificates(roots).with_no_client_auth());
    match config {
        Ok(config) => config,
        Err(error) => unreachable!("the provider has cipher suites for every version: {error}"),
    }
}

fn pool(policy: AddressPolicy, connect: Duration, config: ClientConfig, versions: Versions) -> Pool {
    let mut tcp = HttpConnector::new_with_resolver(Resolver { policy });
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    tcp.set_connect_timeout(Some(connect));
    tcp.set_keepalive(Some(IDLE));
    let connector = HttpsConnectorBuilder::new()
        .with_tls_config(config)
        .https_or_http();
    let connector = match versions {
        Versions::All => connector.enable_all_versions().wrap_connector(tcp),
        Versions::First => connector.enable_http1().wrap_connector(tcp),
    };
    Client::builder(TokioExecutor::new())
        .http1_max_headers(HEADERS_MAX)
        .http2_max_header_list_size(HEAD_MAX)
        .pool_timer(TokioTimer::new())
        .timer(TokioTimer::new())
        .pool_idle_timeout(IDLE)
        .pool_max_idle_per_host(IDLE_MAX)
        .build(Watching(connector))
}
