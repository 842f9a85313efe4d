//! The `env` object.

use std::rc::Rc;

use isthmus_bindings::install_env;
use isthmus_protocol::{ChannelId, control::Binding};
use rquickjs::{Context, Object, Runtime};

use crate::{
    store_broker::{Handle, StoreBroker},
    worker::Worker,
};

#[test]
fn env_holds_strings_json_and_capabilities_in_order() {
    let runtime = Runtime::new().expect("an engine");
    let context = Context::full(&runtime).expect("a context");
    context.with(|ctx| {
        let bindings = [
            ("TEXT".to_owned(), Binding::Text("grüße\0😀".to_owned())),
            (
                "JSON".to_owned(),
                Binding::Json("{\"b\":[1,null],\"a\":true}".to_owned()),
            ),
            ("KV".to_owned(), Binding::Kv(ChannelId(0))),
            ("NUMBER".to_owned(), Binding::Json("1.5".to_owned())),
        ];
        let broker = Rc::new(Handle(StoreBroker::new(Vec::new())));
        let env: Object = install_env(&ctx, &bindings, broker).expect("an env");
        ctx.globals().set("env", env).expect("set");
        let text: String = ctx
            .eval(
                "JSON.stringify([Object.keys(env), env.TEXT, env.JSON, env.KV.constructor.name, env.NUMBER,
                                 Object.getPrototypeOf(env) === Object.prototype])",
            )
            .expect("runs");
        assert_eq!(
            text,
            "[[\"TEXT\",\"JSON\",\"KV\",\"NUMBER\"],\"grüße\\u0000😀\",{\"b\":[1,null],\"a\":true},\
             \"KvNamespace\",1.5,true]"
        );
    });
}

#[test]
fn a_binding_that_is_no_json_throws() {
    let runtime = Runtime::new().expect("an engine");
    let context = Context::full(&runtime).expect("a context");
    context.with(|ctx| {
        let bindings = [("BAD".to_owned(), Binding::Json("{no".to_owned()))];
        let broker = Rc::new(Handle(StoreBroker::new(Vec::new())));
        install_env(&ctx, &bindings, broker).expect_err("no JSON");
        let error = ctx.catch().into_object().expect("an error");
        assert_eq!(error.get::<_, String>("name").expect("a name"), "SyntaxError");
    });
}

#[test]
fn namespaces_are_apart() {
    let worker = Worker::new();
    let code = "return kv.put('k', 'mine').then(() => Promise.all([kv.get('k'), other.get('k')]))";
    assert_eq!(worker.resolved(code), serde_json::json!(["mine", null]));
}
