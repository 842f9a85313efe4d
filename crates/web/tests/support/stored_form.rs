//! Clones by way of the stored form.

use bytes::Bytes;
use isthmus_web::structured_clone::{deserialize, serialize};
use rquickjs::{Function, Value};

use super::World;

/// A world whose `store(value)` clones by way of the stored form.
pub(crate) fn world() -> World {
    let world = World::new();
    world.with(|ctx| {
        let store = Function::new(ctx.clone(), store).unwrap();
        ctx.globals().set("serialize", store).unwrap();
        let load = Function::new(ctx.clone(), load).unwrap();
        ctx.globals().set("deserialize", load).unwrap();
    });
    world.script::<()>("globalThis.store = (value) => deserialize(serialize(value))");
    world
}

fn store<'js>(ctx: rquickjs::Ctx<'js>, value: Value<'js>) -> rquickjs::Result<Vec<u8>> {
    Ok(serialize(&ctx, &value)?.into())
}

fn load<'js>(ctx: rquickjs::Ctx<'js>, bytes: Vec<u8>) -> rquickjs::Result<Value<'js>> {
    deserialize(&ctx, Bytes::from(bytes))
}
