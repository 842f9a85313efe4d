//! The flags that change what a Python Worker sees.
//!
//! The facts are those of workerd 1.20261117; `python_workers` itself has no date, since a Worker asks
//! for Python by naming it.

use super::{Flag, flag};

/// In the order in which upstream introduced them.
pub(super) const PYTHON_FLAGS: &[Flag] = &[
    flag("python_workers")
        .implied(&["python_workers_development"], "2000-01-01")
        .why("The Worker is Python. Alone it stands for the oldest interpreter upstream has, 3.12."),
    flag("python_workers_development")
        .experimental()
        .why("Upstream's own builds of Pyodide."),
    flag("python_external_packages")
        .obsolete()
        .why("Packages are always outside the runtime."),
    flag("python_workers_20250116")
        .disabled_by("no_python_workers_20250116")
        .implied(&["python_workers"], "2025-09-29")
        .why("Upstream's interpreter is 3.13; here it is the one that runs Isthmus."),
    flag("python_workers_durable_objects")
        .obsolete()
        .why("Durable Objects need no flag any more."),
    flag("python_workflows")
        .disabled_by("disable_python_workflows")
        .implied(&["python_workers"], "2025-09-20")
        .why("The `run` of a Workflow class is called."),
    flag("python_no_global_handlers")
        .disabled_by("disable_python_no_global_handlers")
        .since("2025-08-14")
        .why("Handlers are methods of entrypoint classes; `on_fetch` and its kin at module level are off."),
    flag("python_workers_force_new_vendor_path")
        .since("2025-08-11")
        .why("Packages come from `python_modules/` only, not from the older `vendor/`."),
    flag("python_dedicated_snapshot")
        .disabled_by("disable_python_dedicated_snapshot")
        .implied(&["python_workers_20250116"], "2025-10-16")
        .why("Upstream keeps the memory of the imported Worker; here isolates are forked from one that imported it."),
    flag("enable_python_external_sdk")
        .disabled_by("disable_python_external_sdk")
        .since("2026-04-21")
        .why("The `workers` package is the project's own dependency, not the runtime's."),
    flag("python_check_rng_state")
        .disabled_by("disable_python_check_rng_state")
        .implied(&["python_workers"], "2025-12-16")
        .why("Upstream refuses a snapshot in which random numbers were drawn; forked isolates are reseeded instead."),
    flag("python_workflows_implicit_dependencies")
        .disabled_by("no_python_workflows_implicit_dependencies")
        .implied(&["python_workers"], "2026-02-25")
        .why("A step depends on the steps its parameters are named after; `depends=` is gone."),
    flag("python_request_headers_preserve_commas")
        .disabled_by("disable_python_request_headers_preserve_commas")
        .since("2026-02-17")
        .why("A comma in a request's header is part of its value, and `Set-Cookie` headers stay apart."),
    flag("python_process_pth_files")
        .disabled_by("disable_python_process_pth_files")
        .since("2026-05-26")
        .why("`.pth` files in `python_modules/` take effect."),
    flag("python_workers_20260610")
        .disabled_by("no_python_workers_20260610")
        .why("The first name of `python_workers_314`."),
    flag("python_workers_314")
        .disabled_by("no_python_workers_314")
        .implied(&["python_workers"], "2026-09-08")
        .why("Upstream's interpreter is 3.14, the first with sockets."),
    flag("python_workers_20260817")
        .disabled_by("no_python_workers_20260817")
        .obsolete()
        .why("A trial of a Pyodide release, withdrawn."),
    flag("auto_inject_python_workers")
        .disabled_by("no_auto_inject_python_workers")
        .experimental()
        .why("Upstream adds the `workers` package to a bundle that lacks it."),
    flag("python_shared_standard_library")
        .implied(&["python_workers"], "2026-11-19")
        .why("Upstream's isolates share one standard library in memory; forked ones always do."),
    flag("python_zstd_snapshot")
        .experimental()
        .why("Upstream compresses its snapshots."),
    flag("python_dedicated_snapshot_keep_import_caches")
        .disabled_by("no_python_dedicated_snapshot_keep_import_caches")
        .why("Upstream's snapshots keep what the import system remembers; forked isolates always do."),
];
