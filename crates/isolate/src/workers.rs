//! The events of an isolate as `waitUntil` sees them, and the objects of `cloudflare:workers` as Python sees them.

use std::rc::Rc;

use isthmus_bindings::{Events, install_env, install_workers};
use isthmus_protocol::StreamId;
use isthmus_protocol::control::Binding;
use pyo3::prelude::*;
use rquickjs::{Ctx, Value};

use crate::calls::IsolateBroker;
use crate::shared::Shared;

/// What Python needs of it, as proxies.
pub(crate) struct Workers {
    /// `_pyodide_entrypoint_helper`.
    pub(crate) helper: Py<PyAny>,
    /// The `env` object.
    pub(crate) env: Py<PyAny>,
    /// Makes the `ctx` of an event: a function of the event's stream.
    pub(crate) new_context: Py<PyAny>,
}

/// Sets all of it up in a fresh context.
pub(crate) fn install(
    py: Python<'_>,
    ctx: &Ctx<'_>,
    shared: &Rc<Shared>,
    bindings: &[(String, Binding)],
) -> Result<Workers, String> {
    let events: Rc<dyn Events> = Rc::new(Waiting(Rc::clone(shared)));
    let made = install_env(ctx, bindings, Rc::new(IsolateBroker(Rc::clone(shared))))
        .and_then(|env| Ok((install_workers(ctx, &env, &events)?, env)));
    let (workers, env) = made.map_err(|_| {
        isthmus_web::console::inspect(ctx, ctx.catch()).unwrap_or_else(|error| error.to_string())
    })?;
    let proxy = |value: &Value<'_>| -> Result<Py<PyAny>, String> {
        isthmus_bridge::wrap(py, value)
            .map(Bound::unbind)
            .map_err(|error| error.to_string())
    };
    Ok(Workers {
        helper: proxy(workers.helper.as_value())?,
        new_context: proxy(workers.new_context.as_value())?,
        env: proxy(env.as_value())?,
    })
}

/// Counts the promises that keep events open.
pub(crate) struct Waiting(pub(crate) Rc<Shared>);

impl Events for Waiting {
    fn begin(&self, event: StreamId) {
        *self.0.waiting.borrow_mut().entry(event).or_insert(0) += 1;
    }

    fn end(&self, event: StreamId, rejected: bool) {
        if rejected {
            self.0.waited_in_vain(event);
        }
        let over = {
            let mut waiting = self.0.waiting.borrow_mut();
            let count = waiting.get_mut(&event).map(|count| {
                *count -= 1;
                *count
            });
            count == Some(0) && waiting.remove(&event).is_some()
        };
        if over {
            self.0.end_if_over(event);
        }
    }

    fn current(&self) -> Option<StreamId> {
        self.0.current_event()
    }
}
