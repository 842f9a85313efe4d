//! The areas: what is counted together, and in which folders of a checkout its tests are.

/// One row of the table in `tests/wpt/README.md`.
pub(crate) struct Area {
    /// How it is called; its list is `<name>.toml`.
    pub(crate) name: &'static str,
    /// Its folders in the checkout.
    pub(crate) folders: &'static [&'static str],
}

impl Area {
    /// Whether a file of the checkout belongs to it.
    pub(crate) fn contains(&self, path: &str) -> bool {
        self.folders.iter().any(|folder| {
            path.strip_prefix(folder)
                .is_some_and(|rest| rest.starts_with('/'))
        })
    }
}

/// All areas; every `*.any.js` below their folders counts.
pub(crate) const AREAS: &[Area] = &[
    Area {
        name: "url",
        folders: &["url"],
    },
    Area {
        name: "urlpattern",
        folders: &["urlpattern"],
    },
    Area {
        name: "encoding",
        folders: &["encoding"],
    },
    Area {
        name: "streams",
        folders: &["streams"],
    },
    Area {
        name: "compression",
        folders: &["compression"],
    },
    Area {
        name: "events",
        folders: &["dom/abort", "dom/events"],
    },
    Area {
        name: "fetch",
        folders: &["fetch/api", "fetch/data-urls", "xhr/formdata"],
    },
    Area {
        name: "websockets",
        folders: &["websockets"],
    },
    Area {
        name: "eventsource",
        folders: &["eventsource"],
    },
    Area {
        name: "FileAPI",
        folders: &["FileAPI"],
    },
    Area {
        name: "structured-clone",
        folders: &[
            "html/infrastructure/safe-passing-of-structured-data",
            "html/webappapis/structured-clone",
            "webmessaging",
        ],
    },
    Area {
        name: "timers",
        folders: &[
            "hr-time",
            "html/webappapis/microtask-queuing",
            "html/webappapis/timers",
        ],
    },
    Area {
        name: "WebCryptoAPI",
        folders: &["WebCryptoAPI"],
    },
];
