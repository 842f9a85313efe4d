//! JSON text of JavaScript values, as
//! [`JSON.stringify`](https://tc39.es/ecma262/#sec-json.stringify) without a replacer.
//!
//! The engine writes strings letter by letter, which took an eighth of what it costs to send a message to a queue. Here plain
//! objects, arrays and texts are written; all other objects, and what is nested deeply or in a circle, are left to the engine.

use rquickjs::{
    Array, Atom, Ctx, Error, Exception, Function, Object, Result, Value, atom::PredefinedAtom, function::This,
};
use serde::Serialize as _;

use crate::convert;

/// What is nested more deeply is the engine's, which has a stack limit of its own and knows of circles.
const DEPTH_MAX: u32 = 32;

/// The largest integers that every notation writes as such.
const INTEGER_MAX: f64 = 9_007_199_254_740_991.0;

/// What the engine says of big integers.
const BIG_INTEGERS: &str = "BigInt are forbidden in JSON.stringify";

/// The text in UTF-8; `None` for what has none, as functions.
///
/// # Errors
/// An exception of the engine: `TypeError` for circles and big integers, and whatever getters and `toJSON` throw.
pub(crate) fn stringify<'js>(ctx: &Ctx<'js>, value: &Value<'js>) -> Result<Option<Vec<u8>>> {
    let mut writer = Writer {
        ctx,
        plain: Object::new(ctx.clone())?.get_prototype(),
        text: Vec::new(),
        depth: 0,
    };
    let is_written = writer.property(value.clone(), || Ok(String::new()))?;
    Ok(is_written.then_some(writer.text))
}

struct Writer<'a, 'js> {
    ctx: &'a Ctx<'js>,
    /// The prototype of plain objects.
    plain: Option<Object<'js>>,
    text: Vec<u8>,
    depth: u32,
}

impl<'js> Writer<'_, 'js> {
    /// Writes a value that is called `key` where it was found. `false` if it has no text.
    fn property(&mut self, mut value: Value<'js>, key: impl FnOnce() -> Result<String>) -> Result<bool> {
        if let Some(object) = value.as_object() {
            let own: Value = object.get(PredefinedAtom::ToJSON)?;
            if let Some(to_json) = own.as_function().cloned() {
                value = Function::call(&to_json, (This(value), key()?))?;
            }
        }
        if let Some(number) = value.as_number() {
            return self.number(number, &value);
        }
        if value.is_undefined() || value.is_symbol() || value.is_function() {
            return Ok(false);
        }
        if value.is_null() {
            self.text.extend_from_slice(b"null");
            return Ok(true);
        }
        if let Some(truth) = value.as_bool() {
            self.text
                .extend_from_slice(if truth { b"true" } else { b"false" });
            return Ok(true);
        }
        if value.is_string() {
            // A lone surrogate isn't UTF-8: the engine has a notation for it.
            return match String::from_utf8(convert::text(self.ctx, &value)?) {
                Ok(text) => {
                    self.string(&text);
                    Ok(true)
                }
                Err(_) => self.leave(value),
            };
        }
        if self.depth == DEPTH_MAX {
            return self.leave(value);
        }
        self.depth += 1;
        let is_written = if let Some(array) = value.as_array() {
            self.array(array).map(|()| true)
        } else {
            match value.as_object() {
                Some(object) if self.is_plain(object) => self.object(object).map(|()| true),
                _ => self.leave(value),
            }
        };
        self.depth -= 1;
        is_written
    }

    /// Whether an object is nothing but its properties.
    fn is_plain(&self, object: &Object<'js>) -> bool {
        !object.is_proxy() && object.get_prototype() == self.plain
    }

    fn array(&mut self, array: &Array<'js>) -> Result<()> {
        self.text.push(b'[');
        for index in 0..array.len() {
            if index > 0 {
                self.text.push(b',');
            }
            if !self.property(array.get(index)?, || Ok(index.to_string()))? {
                self.text.extend_from_slice(b"null");
            }
        }
        self.text.push(b']');
        Ok(())
    }

    fn object(&mut self, object: &Object<'js>) -> Result<()> {
        self.text.push(b'{');
        let begin = self.text.len();
        for key in object.keys::<Atom>() {
            let key = key?;
            let value: Value = object.get(key.clone())?;
            let before = self.text.len();
            if before > begin {
                self.text.push(b',');
            }
            self.key(&key)?;
            self.text.push(b':');
            if !self.property(value, || key.to_string())? {
                self.text.truncate(before);
            }
        }
        self.text.push(b'}');
        Ok(())
    }

    fn key(&mut self, key: &Atom<'js>) -> Result<()> {
        let key = key.to_value()?;
        match String::from_utf8(convert::text(self.ctx, &key)?) {
            Ok(text) => self.string(&text),
            Err(_) => drop(self.leave(key)?),
        }
        Ok(())
    }

    fn string(&mut self, text: &str) {
        // Into memory, so it can't fail. It escapes what the specification says, and nothing else.
        let _ = text.serialize(&mut serde_json::Serializer::new(&mut self.text));
    }

    fn number(&mut self, number: f64, value: &Value<'js>) -> Result<bool> {
        if number.fract() == 0.0 && number.abs() <= INTEGER_MAX {
            // Minus zero becomes zero.
            let _ = (number as i64).serialize(&mut serde_json::Serializer::new(&mut self.text));
            return Ok(true);
        }
        self.leave(value.clone())
    }

    /// Has the engine write a value. Of big integers it is told in upstream's words.
    fn leave(&mut self, value: Value<'js>) -> Result<bool> {
        let ctx = self.ctx;
        let text = match ctx.json_stringify(value) {
            Err(Error::Exception) => {
                let thrown = ctx.catch();
                let message = thrown.as_exception().and_then(Exception::message);
                return Err(if message.as_deref() == Some(BIG_INTEGERS) {
                    Exception::throw_type(ctx, "Do not know how to serialize a BigInt")
                } else {
                    ctx.throw(thrown)
                });
            }
            written => written?,
        };
        let Some(text) = text else {
            return Ok(false);
        };
        self.text.extend(convert::text(self.ctx, text.as_value())?);
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use rquickjs::{CatchResultExt, Context, Runtime};

    use super::*;

    /// Both texts of what a script makes, or both exceptions.
    fn both(script: &str) -> [String; 2] {
        let runtime = Runtime::new().expect("a runtime");
        let context = Context::full(&runtime).expect("a context");
        let ours = context.with(|ctx| {
            let value: Value = ctx.eval(script).catch(&ctx).expect("a script");
            let text = stringify(&ctx, &value).catch(&ctx);
            text.map(|text| text.map(|text| String::from_utf8(text).expect("UTF-8")))
                .map_or_else(|error| error.to_string(), |text| format!("{text:?}"))
        });
        let context = Context::full(&runtime).expect("a context");
        let engines = context.with(|ctx| {
            let value: Value = ctx.eval(script).catch(&ctx).expect("a script");
            let text = ctx.json_stringify(value).catch(&ctx);
            text.map(|text| text.map(|text| text.to_string().expect("UTF-8")))
                .map_or_else(|error| error.to_string(), |text| format!("{text:?}"))
        });
        [ours, engines]
    }

    #[test]
    fn it_writes_what_the_engine_writes() {
        for script in [
            "1",
            "-0",
            "[0.1, 1e21, 1e300, -1.5e-7, NaN, Infinity, 2**53, -(2**53), 2**31, 4294967296]",
            "'a \\u0000\\b\\t\\n\\f\\r\\u001f\\u007f\\u2028 \\\" \\\\ / é 日 😀'",
            "'\\ud800'",
            "['\\udc00\\ud800', {'\\ud800': 1}]",
            "undefined",
            "(() => 1)",
            "Symbol('a')",
            "[undefined, () => 1, Symbol('a'), null, true, false]",
            "({ a: undefined, b() {}, c: Symbol('a'), d: 1, [Symbol('e')]: 2 })",
            "({ b: 1, a: 2, 10: 3, 9: 4, __proto__: { inherited: 1 } })",
            "({ ['__proto__']: 1, toString: 2 })",
            "Object.create(null, { a: { value: 1, enumerable: true }, b: { value: 2 } })",
            "[new Date(0), new Number(3), new String('s'), new Boolean(false), Object(Symbol('a'))]",
            "({ a: new Map([[1, 2]]), b: new Set([1]), c: /x/, d: new Uint8Array([1, 2]), e: new Error('f') })",
            "class A { constructor() { this.x = 1 } get y() { return 2 } } ({ a: new A(), b: [new A()] })",
            "[, 1, , 2]",
            "class L extends Array {} L.from([1, { a: 2 }])",
            "({ toJSON(key) { return `<${key}>` } })",
            "({ a: { toJSON(key) { return [key, this.x, { toJSON: k => k }] }, x: 1 }, b: [{ toJSON: k => typeof k + k }] })",
            "({ toJSON: 1, a: { toJSON: null } })",
            "({ get a() { return 1 }, get b() { return undefined } })",
            "({ get a() { throw new RangeError('on purpose') } })",
            "({ toJSON() { throw new RangeError('on purpose') } })",
            "const o = {}; o.o = o; o",
            "const l = []; l.push([l]); l",
            "1n",
            "[1n]",
            "({ a: Object(1n) })",
            "BigInt.prototype.toJSON = function () { return `${this}n` }; [1n, { a: Object(2n) }]",
            "Object.prototype.toJSON = function () { return Object.keys(this).length }; ({ a: 1, b: 2 })",
            "new Proxy({ a: 1, b: [2] }, {})",
            "[new Proxy([1, 2], {}), new Proxy(() => 1, {})]",
            "let d = 'x'; for (let i = 0; i < 100; i++) d = i % 2 ? [d, i] : { d, i }; d",
            "let e = []; for (let i = 0; i < 1e5; i++) e = [e]; e",
            "({ '': { '': '' }, 'a\"b': [], 'é\\n': {} })",
        ] {
            let [ours, engines] = both(script);
            let engines = engines.replace(BIG_INTEGERS, "Do not know how to serialize a BigInt");
            let without_place = |text: &str| text.split("\n").next().map(str::to_owned);
            assert_eq!(without_place(&ours), without_place(&engines), "{script}");
        }
    }
}
