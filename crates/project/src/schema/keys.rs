//! The keys of a configuration, by the schema of wrangler 4.164: where each may stand, its shape, and
//! what Isthmus does with it.

use super::Shape::{Any, Bool, Either, List, Map, Number, OneOf, Table, Text};
use super::{Field, Shape, optional, required};

/// A key of the top level or of an environment.
#[derive(Debug)]
pub(crate) struct Key {
    pub(crate) name: &'static str,
    pub(crate) shape: Shape,
    pub(crate) scope: Scope,
    pub(crate) role: Role,
}

/// Where a key may stand, and whether an environment inherits it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    /// Not in an environment.
    TopLevel,
    /// An environment that lacks it takes it from the top level.
    Inherited,
    /// An environment that lacks it doesn't have it.
    PerEnvironment,
}

/// What Isthmus does with a key.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Role {
    /// Reads it.
    Served,
    /// Nothing, rightly: it concerns deployment to upstream, or the bundling of JavaScript.
    Unneeded,
    /// Nothing yet, which the user is told; the Worker starts without it.
    NotYet,
    /// Makes bindings of this kind.
    Binding(Kind, NameAt),
}

/// A kind of binding.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Kind {
    pub(crate) label: &'static str,
    pub(crate) served: bool,
}

/// Where the names of bindings are.
#[derive(Clone, Copy, Debug)]
pub(crate) enum NameAt {
    /// In this field of each item of the list.
    Items(&'static str),
    /// In this field of the table itself.
    Here(&'static str),
    /// In a list inside the table: its key, and the field of each item.
    Inside(&'static str, &'static str),
    /// The keys of the table are the names.
    Keys,
}

const TEXTS: Shape = List(&Text);
const REMOTE: Field = optional("remote", Bool);
const SINGLE_FIELDS: &[Field] = &[required("binding", Text), REMOTE];

/// A list of tables that each have a name in `binding`.
const fn bindings(name: &'static str, label: &'static str, fields: &'static Shape) -> Key {
    let kind = Kind { label, served: false };
    Key {
        name,
        shape: List(fields),
        scope: Scope::PerEnvironment,
        role: Role::Binding(kind, NameAt::Items("binding")),
    }
}

/// A table with its name in `binding`, for which at most `remote` can be said.
const fn single(name: &'static str, label: &'static str) -> Key {
    let kind = Kind { label, served: false };
    Key {
        name,
        shape: Table(SINGLE_FIELDS),
        scope: Scope::PerEnvironment,
        role: Role::Binding(kind, NameAt::Here("binding")),
    }
}

const fn key(name: &'static str, scope: Scope, role: Role, shape: Shape) -> Key {
    Key {
        name,
        shape,
        scope,
        role,
    }
}

const fn kind(label: &'static str) -> Kind {
    Kind { label, served: false }
}

const INHERITED: Scope = Scope::Inherited;
const PER_ENVIRONMENT: Scope = Scope::PerEnvironment;
const TOP_LEVEL: Scope = Scope::TopLevel;

/// Every key but `env` and `$schema`.
#[rustfmt::skip]
pub(crate) const KEYS: &[Key] = &[
    // Read by Isthmus.
    key("name", INHERITED, Role::Served, Text),
    key("main", INHERITED, Role::Served, Text),
    key("compatibility_date", INHERITED, Role::Served, Text),
    key("compatibility_flags", INHERITED, Role::Served, TEXTS),
    key("base_dir", INHERITED, Role::Served, Text),
    key("build", INHERITED, Role::Served, Table(&[
        optional("command", Text),
        optional("cwd", Text),
        optional("watch_dir", Either(&[Text, TEXTS])),
    ])),
    key("rules", INHERITED, Role::Served, List(&Table(&[
        required("type", OneOf(&[
            "ESModule", "CommonJS", "CompiledWasm", "Text", "Data", "PythonModule", "PythonRequirement",
        ])),
        required("globs", TEXTS),
        optional("fallthrough", Bool),
    ]))),
    key("vars", PER_ENVIRONMENT, Role::Served, Map(&Any)),
    key("secrets", PER_ENVIRONMENT, Role::Served, Table(&[optional("required", TEXTS)])),
    key("dev", TOP_LEVEL, Role::Served, Table(&[
        optional("ip", Text),
        optional("port", Number),
        optional("inspector_port", Number),
        optional("inspector_ip", Text),
        optional("local_protocol", OneOf(&["http", "https"])),
        optional("upstream_protocol", OneOf(&["http", "https"])),
        optional("host", Text),
        optional("enable_containers", Bool),
        optional("container_engine", Either(&[Text, Map(&Any)])),
        optional("generate_types", Bool),
    ])),
    key("triggers", INHERITED, Role::Served, Table(&[optional("crons", TEXTS), optional("events", List(&Any))])),
    // Bindings.
    Key {
        role: Role::Binding(Kind { label: "KV namespace", served: true }, NameAt::Items("binding")),
        ..bindings("kv_namespaces", "", &Table(&[
            required("binding", Text), optional("id", Text), optional("preview_id", Text), REMOTE,
        ]))
    },
    Key {
        role: Role::Binding(Kind { label: "R2 bucket", served: true }, NameAt::Items("binding")),
        ..bindings("r2_buckets", "", &Table(&[
            required("binding", Text), optional("bucket_name", Text), optional("preview_bucket_name", Text),
            optional("jurisdiction", Text), optional("local_dev", Map(&Any)), REMOTE,
        ]))
    },
    Key {
        role: Role::Binding(Kind { label: "D1 database", served: true }, NameAt::Items("binding")),
        ..bindings("d1_databases", "", &Table(&[
            required("binding", Text), optional("database_name", Text), optional("database_id", Text),
            optional("preview_database_id", Text), optional("migrations_table", Text),
            optional("migrations_dir", Text), optional("migrations_pattern", Text),
            optional("database_internal_env", Text), optional("jurisdiction", Text), REMOTE,
        ]))
    },
    key("queues", PER_ENVIRONMENT, Role::Binding(Kind { label: "queue", served: true }, NameAt::Inside("producers", "binding")), Table(&[
        optional("producers", List(&Table(&[
            required("binding", Text), optional("queue", Text), optional("delivery_delay", Number), REMOTE,
        ]))),
        optional("consumers", List(&Table(&[
            required("queue", Text), optional("type", Text), optional("max_batch_size", Number),
            optional("max_batch_timeout", Number), optional("max_retries", Number),
            optional("dead_letter_queue", Text), optional("max_concurrency", Any),
            optional("visibility_timeout_ms", Number), optional("retry_delay", Number),
        ]))),
    ])),
    key("durable_objects", PER_ENVIRONMENT, Role::Binding(kind("Durable Object namespace"), NameAt::Inside("bindings", "name")), Table(&[
        optional("bindings", List(&Table(&[
            required("name", Text), required("class_name", Text), optional("script_name", Text),
            optional("environment", Text),
        ]))),
        optional("code_update_strategy", Map(&Any)),
    ])),
    bindings("services", "service", &Table(&[
        required("binding", Text), required("service", Text), optional("entrypoint", Text),
        optional("environment", Text), optional("props", Map(&Any)), REMOTE,
    ])),
    bindings("workflows", "Workflow", &Table(&[
        required("binding", Text), required("name", Text), required("class_name", Text),
        optional("script_name", Text), optional("limits", Map(&Any)), optional("concurrency", Map(&Any)),
        optional("schedules", Either(&[Text, TEXTS])), optional("default_retention", Map(&Any)),
        optional("jurisdiction", Text), REMOTE,
    ])),
    key("ai", PER_ENVIRONMENT, Role::Binding(kind("AI"), NameAt::Here("binding")), Table(&[
        required("binding", Text), optional("staging", Bool), REMOTE,
    ])),
    bindings("ai_search", "AI Search instance", &Table(&[
        required("binding", Text), required("instance_name", Text), REMOTE,
    ])),
    bindings("ai_search_namespaces", "AI Search namespace", &Table(&[
        required("binding", Text), required("namespace", Text), REMOTE,
    ])),
    bindings("agent_memory", "agent memory", &Table(&[
        required("binding", Text), required("namespace", Text), REMOTE,
    ])),
    bindings("vectorize", "Vectorize index", &Table(&[
        required("binding", Text), required("index_name", Text), REMOTE,
    ])),
    bindings("hyperdrive", "Hyperdrive", &Table(&[
        required("binding", Text), required("id", Text), optional("localConnectionString", Text), REMOTE,
    ])),
    bindings("analytics_engine_datasets", "Analytics Engine dataset", &Table(&[
        required("binding", Text), optional("dataset", Text), REMOTE,
    ])),
    key("assets", INHERITED, Role::Binding(Kind { label: "assets", served: true }, NameAt::Here("binding")), Table(&[
        optional("directory", Text), optional("binding", Text),
        optional("html_handling", OneOf(&[
            "auto-trailing-slash", "force-trailing-slash", "drop-trailing-slash", "none",
        ])),
        optional("not_found_handling", OneOf(&["single-page-application", "404-page", "none"])),
        optional("base_path", Text), optional("run_worker_first", Either(&[Bool, TEXTS])),
    ])),
    single("browser", "browser"),
    single("analytics", "Analytics SQL"),
    single("images", "Images"),
    single("media", "Media"),
    single("stream", "Stream"),
    Key {
        role: Role::Binding(Kind { label: "version metadata", served: true }, NameAt::Here("binding")),
        ..single("version_metadata", "")
    },
    key("send_email", PER_ENVIRONMENT, Role::Binding(kind("email sender"), NameAt::Items("name")), List(&Table(&[
        required("name", Text), optional("destination_address", Text),
        optional("allowed_destination_addresses", TEXTS), optional("allowed_sender_addresses", TEXTS), REMOTE,
    ]))),
    bindings("mtls_certificates", "mTLS certificate", &Table(&[
        required("binding", Text), required("certificate_id", Text), REMOTE,
    ])),
    key("ratelimits", PER_ENVIRONMENT, Role::Binding(Kind { label: "rate limit", served: true }, NameAt::Items("name")), List(&Table(&[
        required("name", Text), required("namespace_id", Text),
        required("simple", Table(&[required("limit", Number), required("period", Number)])),
    ]))),
    bindings("dispatch_namespaces", "dispatch namespace", &Table(&[
        required("binding", Text), optional("namespace", Text), optional("outbound", Map(&Any)), REMOTE,
    ])),
    Key {
        role: Role::Binding(Kind { label: "Secrets Store secret", served: true }, NameAt::Items("binding")),
        ..bindings("secrets_store_secrets", "", &Table(&[
            required("binding", Text), required("store_id", Text), required("secret_name", Text),
        ]))
    },
    bindings("pipelines", "pipeline", &Table(&[
        required("binding", Text), optional("stream", Text), optional("pipeline", Text), REMOTE,
    ])),
    bindings("k2", "K2 stream", &Table(&[required("binding", Text), required("stream", Text), REMOTE])),
    bindings("worker_loaders", "Worker loader", &Table(&[required("binding", Text)])),
    bindings("vpc_services", "VPC service", &Table(&[
        required("binding", Text), required("service_id", Text), REMOTE,
    ])),
    bindings("vpc_networks", "VPC network", &Table(&[
        required("binding", Text), optional("tunnel_id", Text), optional("network_id", Text), REMOTE,
    ])),
    bindings("artifacts", "Artifacts", &Table(&[required("binding", Text), required("namespace", Text), REMOTE])),
    bindings("flagship", "Flagship", &Table(&[required("binding", Text), optional("app_id", Text), REMOTE])),
    bindings("unsafe_hello_world", "Hello World", &Table(&[
        required("binding", Text), optional("enable_timer", Bool),
    ])),
    key("unsafe", PER_ENVIRONMENT, Role::Binding(kind("unsafe binding"), NameAt::Inside("bindings", "name")), Map(&Any)),
    key("logfwdr", INHERITED, Role::Binding(kind("log forwarder"), NameAt::Inside("bindings", "name")), Map(&Any)),
    key("wasm_modules", TOP_LEVEL, Role::Binding(kind("WebAssembly module"), NameAt::Keys), Map(&Text)),
    key("text_blobs", TOP_LEVEL, Role::Binding(kind("text blob"), NameAt::Keys), Map(&Text)),
    key("data_blobs", TOP_LEVEL, Role::Binding(kind("data blob"), NameAt::Keys), Map(&Text)),
    // What a Worker would miss, though no name in `env` says so.
    key("migrations", INHERITED, Role::NotYet, List(&Map(&Any))),
    key("exports", INHERITED, Role::NotYet, Map(&Any)),
    key("tail_consumers", PER_ENVIRONMENT, Role::NotYet, List(&Table(&[
        required("service", Text), optional("environment", Text),
    ]))),
    key("streaming_tail_consumers", PER_ENVIRONMENT, Role::NotYet, List(&Table(&[required("service", Text)]))),
    key("containers", PER_ENVIRONMENT, Role::NotYet, List(&Map(&Any))),
    key("cloudchamber", PER_ENVIRONMENT, Role::NotYet, Map(&Any)),
    key("connect", PER_ENVIRONMENT, Role::NotYet, List(&Map(&Any))),
    key("site", TOP_LEVEL, Role::NotYet, Map(&Any)),
    key("limits", INHERITED, Role::NotYet, Table(&[optional("cpu_ms", Number), optional("subrequests", Number)])),
    key("access", INHERITED, Role::NotYet, Map(&Any)),
    // Deployment to upstream and bundling of JavaScript.
    key("account_id", INHERITED, Role::Unneeded, Text),
    key("find_additional_modules", INHERITED, Role::Unneeded, Bool),
    key("preserve_file_names", INHERITED, Role::Unneeded, Bool),
    key("workers_dev", INHERITED, Role::Unneeded, Bool),
    key("preview_urls", INHERITED, Role::Unneeded, Bool),
    key("route", INHERITED, Role::Unneeded, Either(&[Text, Map(&Any)])),
    key("routes", INHERITED, Role::Unneeded, List(&Either(&[Text, Map(&Any)]))),
    key("tsconfig", INHERITED, Role::Unneeded, Text),
    key("jsx_factory", INHERITED, Role::Unneeded, Text),
    key("jsx_fragment", INHERITED, Role::Unneeded, Text),
    key("no_bundle", INHERITED, Role::Unneeded, Bool),
    key("minify", INHERITED, Role::Unneeded, Bool),
    key("keep_names", INHERITED, Role::Unneeded, Bool),
    key("keep_vars", TOP_LEVEL, Role::Unneeded, Bool),
    key("first_party_worker", INHERITED, Role::Unneeded, Bool),
    key("logpush", INHERITED, Role::Unneeded, Bool),
    key("upload_source_maps", INHERITED, Role::Unneeded, Bool),
    key("placement", INHERITED, Role::Unneeded, Map(&Any)),
    key("observability", INHERITED, Role::Unneeded, Map(&Any)),
    key("cache", INHERITED, Role::Unneeded, Map(&Any)),
    key("compliance_region", INHERITED, Role::Unneeded, OneOf(&["public", "fedramp_high"])),
    key("python_modules", INHERITED, Role::Unneeded, Table(&[required("exclude", TEXTS)])),
    key("previews", INHERITED, Role::Unneeded, Map(&Any)),
    key("pages_build_output_dir", TOP_LEVEL, Role::Unneeded, Text),
    key("send_metrics", TOP_LEVEL, Role::Unneeded, Bool),
    key("dependencies_instrumentation", TOP_LEVEL, Role::Unneeded, Map(&Any)),
    key("alias", TOP_LEVEL, Role::Unneeded, Map(&Text)),
    key("define", PER_ENVIRONMENT, Role::Unneeded, Map(&Text)),
    key("addresses", TOP_LEVEL, Role::Unneeded, TEXTS),
];
