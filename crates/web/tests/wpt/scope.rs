//! The global scope that a file of tests expects: a shell to the harness, a worker to the tests.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use rquickjs::{Ctx, Function, Object, Result};

use crate::checkout::Run;
use crate::child::print;
use crate::self_check::CAN_CRASH;

/// How far a file has come.
#[derive(Default)]
pub(crate) struct Progress {
    /// Whether the harness has said that all is done.
    pub(crate) complete: Cell<bool>,
    /// What the harness then complained of, apart from the subtests.
    pub(crate) failure: RefCell<Option<String>>,
}

/// What must be there before the harness is evaluated.
pub(crate) fn before(ctx: &Ctx<'_>) -> Result<()> {
    // It would talk to a page if it saw the scope of a service worker; scope.js brings the classes back.
    ctx.eval(
        "globalThis.GLOBAL = { isWindow: () => false, isWorker: () => true, isShadowRealm: () => false };
         globalThis.hidden = { WorkerGlobalScope, ServiceWorkerGlobalScope };
         delete globalThis.WorkerGlobalScope;
         delete globalThis.ServiceWorkerGlobalScope;",
    )
}

/// What may come only afterwards: with a `location` the harness would take the scope for a browser's.
pub(crate) fn after<'js>(ctx: &Ctx<'js>, run: &Run, progress: &Rc<Progress>) -> Result<()> {
    let native = Object::new(ctx.clone())?;
    native.set("href", run.url())?;
    native.set(
        "result",
        Function::new(ctx.clone(), |name: String, failure: Option<String>| {
            print(&name, failure.as_deref());
        })?,
    )?;
    let progress = Rc::clone(progress);
    native.set(
        "complete",
        Function::new(ctx.clone(), move |failure: Option<String>| {
            progress.complete.set(true);
            *progress.failure.borrow_mut() = failure;
        })?,
    )?;
    if std::env::var_os(CAN_CRASH).is_some() {
        ctx.globals().set(
            "abortProcess",
            Function::new(ctx.clone(), || -> () { std::process::abort() })?,
        )?;
    }
    ctx.eval::<Function<'_>, _>(include_str!("scope.js"))?
        .call((native,))
}
