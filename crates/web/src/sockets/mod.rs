//! `cloudflare:sockets`: <https://developers.cloudflare.com/workers/runtime-apis/tcp-sockets/>.
//!
//! | file | what |
//! |---|---|
//! | `sockets.js` | `connect` and `Socket`: arguments, promises, which end follows which |
//! | `line` | the bytes of a connection: they wait for it, and end with it |
//!
//! The connections themselves are the business of [`Host::connect`](crate::Host::connect).

mod line;

use std::rc::Rc;

use rquickjs::class::Trace;
use rquickjs::function::Opt;
use rquickjs::module::{Declarations, Declared, Exports, ModuleDef};
use rquickjs::{Class, Ctx, Exception, Function, JsLifetime, Module, Object, Result, Value};

use crate::body::ByteSource;
use crate::host::{ConnectDone, SocketAddress};
use crate::streams::{self, Ticket};
use crate::{script, url};
use line::{Line, Reader, Writer};

/// The specifier of the module that [`sockets_module`] declares.
pub const SOCKETS_MODULE: &str = "cloudflare:sockets";

/// A [`Line`] in the hands of `sockets.js`.
#[derive(Trace, JsLifetime)]
struct LineObject {
    #[qjs(skip_trace)]
    line: Rc<Line>,
}

hidden_class!(LineObject, "Line");

type Handle<'js> = Class<'js, LineObject>;

/// Makes `connect`, for the module to export. Needs streams.
pub(crate) fn install(ctx: &Ctx<'_>) -> Result<()> {
    script::evaluate(ctx, "sockets/sockets.js", include_str!("sockets.js"), |native| {
        let ctx = native.ctx();
        native.set("parse", Function::new(ctx.clone(), parse)?)?;
        native.set("newLine", Function::new(ctx.clone(), new_line)?)?;
        native.set("readable", Function::new(ctx.clone(), readable)?)?;
        native.set("sink", Function::new(ctx.clone(), sink)?)?;
        native.set("connect", Function::new(ctx.clone(), connect)?)?;
        native.set("hold", Function::new(ctx.clone(), hold)?)?;
        native.set("startTls", Function::new(ctx.clone(), start_tls)?)?;
        native.set("close", Function::new(ctx.clone(), close)?)
    })
}

/// Declares `cloudflare:sockets`, for a module loader.
///
/// # Errors
/// A JavaScript exception: no memory.
pub fn sockets_module<'js>(ctx: &Ctx<'js>) -> Result<Module<'js, Declared>> {
    Module::declare_def::<SocketsModule, _>(ctx.clone(), SOCKETS_MODULE)
}

/// What the module exports, as an object.
///
/// # Errors
/// A JavaScript exception: the platform is not installed.
pub fn sockets_exports<'js>(ctx: &Ctx<'js>) -> Result<Object<'js>> {
    script::shared(ctx)?.get("sockets")
}

struct SocketsModule;

impl ModuleDef for SocketsModule {
    fn declare(declarations: &Declarations<'_>) -> Result<()> {
        declarations.declare("connect")?;
        Ok(())
    }

    fn evaluate<'js>(ctx: &Ctx<'js>, exports: &Exports<'js>) -> Result<()> {
        exports.export("connect", sockets_exports(ctx)?.get::<_, Value>("connect")?)?;
        Ok(())
    }
}

/// The host and the port (-1 for none) of an address; `undefined` if it is none.
fn parse<'js>(ctx: Ctx<'js>, address: String) -> Result<Value<'js>> {
    let Some((host, port)) = url::host_and_port(&format!("fake://{address}")) else {
        return Ok(Value::new_undefined(ctx));
    };
    let parsed = Object::new_proto(ctx.clone(), None)?;
    parsed.set("host", host)?;
    parsed.set("port", port.map_or(-1, i32::from))?;
    Ok(parsed.into_value())
}

fn new_line<'js>(ctx: Ctx<'js>, on_end: Function<'js>) -> Result<Handle<'js>> {
    let line = Line::new(streams::keep(&ctx, on_end.into_inner())?);
    Class::instance(ctx, LineObject { line })
}

fn readable<'js>(ctx: Ctx<'js>, handle: Handle<'js>) -> Result<Object<'js>> {
    let line = Rc::clone(&handle.borrow().line);
    streams::readable(&ctx, Rc::new(Reader(line)), None)
}

fn sink<'js>(ctx: Ctx<'js>, handle: Handle<'js>) -> Result<Value<'js>> {
    let line = Rc::clone(&handle.borrow().line);
    streams::native_sink(&ctx, Rc::new(Writer(line)))
}

/// Begins to connect; `answered` is called with the reason if that fails.
fn connect<'js>(
    ctx: Ctx<'js>,
    handle: Handle<'js>,
    host: String,
    port: u16,
    tls: bool,
    answered: Function<'js>,
) -> Result<()> {
    let line = Rc::clone(&handle.borrow().line);
    let done = when_connected(&line, streams::keep(&ctx, answered.into_inner())?);
    let address = SocketAddress { host, port, tls };
    let connection = script::host(&ctx)?
        .connect(&ctx, &address, done)
        .map_err(|message| Exception::throw_message(&ctx, &message))?;
    line.begin(connection);
    Ok(())
}

/// The ends of the streams are not those of the connection any more.
fn hold(handle: Handle<'_>) {
    handle.borrow().line.hold();
}

/// Puts TLS on the connection of `old`, which becomes that of `new`.
fn start_tls<'js>(
    ctx: Ctx<'js>,
    old: Handle<'js>,
    new: Handle<'js>,
    host: String,
    answered: Function<'js>,
) -> Result<()> {
    let (connection, source) = old.borrow().line.take();
    let Some(connection) = connection else {
        return Err(Exception::throw_type(
            &ctx,
            "The connection was closed before startTls completed.",
        ));
    };
    let line = Rc::clone(&new.borrow().line);
    let done = when_connected(&line, streams::keep(&ctx, answered.into_inner())?);
    line.begin(connection.start_tls(&ctx, &host, done));
    // The host has moved on by now.
    drop(source);
    Ok(())
}

fn close<'js>(ctx: Ctx<'js>, handle: Handle<'js>, reason: Opt<Option<String>>) {
    let line = Rc::clone(&handle.borrow().line);
    let reason = reason.0.flatten();
    line.close(
        Some(&ctx),
        reason.as_deref().unwrap_or("The connection is closed."),
    );
}

fn when_connected(line: &Rc<Line>, answered: Ticket) -> ConnectDone {
    let line = Rc::downgrade(line);
    Box::new(
        move |ctx, outcome: std::result::Result<Rc<dyn ByteSource>, String>| {
            let answered = answered
                .redeem(ctx)
                .and_then(|answered| answered.into_value().into_function());
            let reason = match outcome {
                Ok(source) => {
                    if let Some(line) = line.upgrade() {
                        line.open(ctx, source);
                    }
                    None
                }
                Err(reason) => Some(reason),
            };
            let told: Result<()> = match (answered, reason) {
                (Some(answered), Some(reason)) => answered.call((reason,)),
                (Some(answered), None) => answered.call(()),
                (None, _) => Ok(()),
            };
            if told.is_err() {
                // Only the engine's limits (memory, stack) can have thrown; there is nobody here to tell.
                ctx.catch();
            }
        },
    )
}
