//! `D1Database`: the [D1 API](https://developers.cloudflare.com/d1/worker-api/), over one channel each.
//!
//! The classes are `d1.js`; here are the values: parameters on their way to the host, rows on their way back. Limits and
//! errors of SQL are the host's (`stores::d1`). Facts: `spec/workers.md` §B4 and `tests/d1_reference`.

use std::rc::Rc;

use bytes::Bytes;
use isthmus_protocol::{
    ChannelId, Operation, Reply,
    d1::{BodyReader, BodyWriter, Malformed, Meta, Query, Value as D1Value},
};
use isthmus_web::{body::IncomingBody, streams};
use rquickjs::{
    Array, Atom, Ctx, Function, IntoJs, Object, Promise, Result, String as JsString, TypedArray, Value,
    object::Property,
};

use crate::{
    Broker, CallBody, collect, convert, exchange,
    settle::{self, Settler},
};

/// Runs the script that defines the classes; answers the function that makes databases, for [`open`].
pub(crate) fn install<'js>(ctx: &Ctx<'js>) -> Result<Function<'js>> {
    let made = isthmus_web::run_script(ctx, "d1.js", include_str!("d1.js"), |native| {
        native.set("copy", Function::new(ctx.clone(), copy)?)
    })?;
    made.get()
}

/// The database behind a channel.
pub(crate) fn open<'js>(
    ctx: &Ctx<'js>,
    classes: &Function<'js>,
    channel: ChannelId,
    broker: Rc<dyn Broker>,
) -> Result<Value<'js>> {
    let query = move |ctx: Ctx<'js>, texts: Array<'js>, lists: Array<'js>, bookmark: bool, is_raw: bool| {
        let body = statements(&ctx, &texts, &lists)?;
        query(
            &ctx,
            channel,
            &*broker,
            body,
            Query {
                bookmark,
                locate: false,
            },
            is_raw,
        )
    };
    classes.call((Function::new(ctx.clone(), query)?,))
}

/// A copy of the bytes that a buffer or a view of one has now; `undefined` for anything else.
fn copy<'js>(ctx: Ctx<'js>, value: Value<'js>) -> Result<Value<'js>> {
    match streams::buffer_bytes(&ctx, &value)? {
        Some(bytes) => Ok(TypedArray::<u8>::new(ctx, bytes)?.into_value()),
        None => Ok(Value::new_undefined(ctx)),
    }
}

fn statements<'js>(ctx: &Ctx<'js>, texts: &Array<'js>, lists: &Array<'js>) -> Result<Bytes> {
    let mut body = BodyWriter::default();
    for index in 0..texts.len() {
        let text: Value = texts.get(index)?;
        if !text.is_string() {
            let message = "a statement must be a string of SQL";
            return Err(settle::error(ctx, "TypeError", message));
        }
        let parameters: Array = lists.get(index)?;
        let sql = String::from_utf8_lossy(&convert::text(ctx, &text)?).into_owned();
        body.statement(&sql, parameters.len());
        for parameter in parameters.iter::<Value>() {
            write_parameter(ctx, &mut body, &parameter?)?;
        }
    }
    Ok(body.finish().into())
}

/// Writes what `bind` let through. The script's `params` are open to the Worker, so it may be anything.
fn write_parameter<'js>(ctx: &Ctx<'js>, body: &mut BodyWriter, value: &Value<'js>) -> Result<()> {
    if let Some(number) = value.as_number() {
        // Upstream's way leads through JSON, which knows neither infinity nor minus zero.
        body.value(if number.is_finite() {
            D1Value::Real(number + 0.0)
        } else {
            D1Value::Null
        });
    } else if value.is_string() {
        body.value(D1Value::Text(&convert::text(ctx, value)?));
    } else if let Some(bytes) = streams::buffer_bytes(ctx, value)? {
        body.value(D1Value::Blob(&bytes));
    } else if convert::is_absent(value) {
        body.value(D1Value::Null);
    } else {
        return Err(settle::error(
            ctx,
            "TypeError",
            "a parameter is of no type that D1 knows",
        ));
    }
    Ok(())
}

fn query<'js>(
    ctx: &Ctx<'js>,
    channel: ChannelId,
    broker: &dyn Broker,
    body: Bytes,
    query: Query,
    is_raw: bool,
) -> Result<Promise<'js>> {
    let (promise, settler) = Settler::promise(ctx)?;
    let done = Box::new(move |ctx: &Ctx<'_>, reply: Reply<'_>, body: IncomingBody| {
        let bookmark = match reply {
            Reply::D1(reply) => reply.bookmark.map(str::to_owned),
            Reply::Failed(failure) => {
                let error = settle::error(ctx, failure.name, failure.message);
                return settler.settle(ctx, Err::<Value, _>(error));
            }
            _ => return settler.settle(ctx, Err::<Value, _>(settle::error(ctx, "Error", exchange::UNFIT))),
        };
        collect::collect(
            ctx,
            body,
            Box::new(move |ctx, results| {
                settler.settle(ctx, answer(ctx, results, bookmark.as_deref(), is_raw))
            }),
        );
    });
    broker.call(channel, Operation::D1(query), CallBody::Bytes(body), done);
    Ok(promise)
}

/// `[results, bookmark]`.
fn answer<'js>(
    ctx: &Ctx<'js>,
    results: std::result::Result<Bytes, String>,
    bookmark: Option<&str>,
    is_raw: bool,
) -> Result<Array<'js>> {
    let results = results.map_err(|reason| settle::error(ctx, "Error", &reason))?;
    let read = Answer {
        ctx,
        body: BodyReader::new(&results),
        is_raw,
    };
    let answer = Array::new(ctx.clone())?;
    answer.set(0, read.all()?)?;
    answer.set(1, bookmark)?;
    Ok(answer)
}

/// Results as they are made into JavaScript values.
struct Answer<'a, 'js> {
    ctx: &'a Ctx<'js>,
    body: BodyReader<'a>,
    is_raw: bool,
}

impl<'js> Answer<'_, 'js> {
    fn all(mut self) -> Result<Array<'js>> {
        let results = Array::new(self.ctx.clone())?;
        loop {
            let columns = self.body.columns();
            let Some(columns) = self.read(columns)? else {
                return Ok(results);
            };
            let rows = if self.is_raw {
                self.lists(&columns)?
            } else {
                self.objects(&columns)?
            };
            let meta = self.body.meta();
            let meta = self.read(meta)?;
            let result = Object::new(self.ctx.clone())?;
            result.set("success", true)?;
            result.set("meta", self.meta(&meta)?)?;
            result.set("results", rows)?;
            results.set(results.len(), result)?;
        }
    }

    /// `{columns, rows}`.
    fn lists(&mut self, columns: &[&str]) -> Result<Value<'js>> {
        let rows = Array::new(self.ctx.clone())?;
        while self.row()? {
            let row = Array::new(self.ctx.clone())?;
            for index in 0..columns.len() {
                row.set(index, self.value()?)?;
            }
            rows.set(rows.len(), row)?;
        }
        let results = Object::new(self.ctx.clone())?;
        results.set("columns", columns.to_vec())?;
        results.set("rows", rows)?;
        Ok(results.into_value())
    }

    /// An object for each row. Of columns with one name the last counts.
    fn objects(&mut self, columns: &[&str]) -> Result<Value<'js>> {
        let names: Vec<Atom> = columns
            .iter()
            .map(|name| Atom::from_str(self.ctx.clone(), name))
            .collect::<Result<_>>()?;
        let rows = Array::new(self.ctx.clone())?;
        let mut count = 0;
        while self.row()? {
            let row = Object::new(self.ctx.clone())?;
            for name in &names {
                // Defined, not set: a column may be called `__proto__`.
                let value = Property::from(self.value()?)
                    .writable()
                    .enumerable()
                    .configurable();
                row.prop(name.clone(), value)?;
            }
            rows.set(count, row)?;
            count += 1;
        }
        Ok(rows.into_value())
    }

    fn value(&mut self) -> Result<Value<'js>> {
        let ctx = self.ctx.clone();
        let value = self.body.value();
        Ok(match self.read(value)? {
            D1Value::Null => Value::new_null(ctx),
            // Every number of JavaScript's is a double, as upstream.
            D1Value::Integer(number) => Value::new_number(ctx, number as f64),
            D1Value::Real(number) if number.is_finite() => Value::new_number(ctx, number + 0.0),
            D1Value::Real(_) => Value::new_null(ctx),
            D1Value::Text(text) => JsString::from_str(ctx, &String::from_utf8_lossy(text))?.into_value(),
            D1Value::Blob(bytes) => bytes
                .iter()
                .map(|byte| i32::from(*byte))
                .collect::<Vec<_>>()
                .into_js(&ctx)?,
        })
    }

    fn meta(&self, meta: &Meta) -> Result<Object<'js>> {
        let object = Object::new(self.ctx.clone())?;
        object.set("served_by", "isthmus.db")?;
        object.set("duration", meta.duration)?;
        object.set("changes", meta.changes as f64)?;
        object.set("last_row_id", meta.last_row_id as f64)?;
        object.set("changed_db", meta.changed_db)?;
        object.set("size_after", meta.size_after as f64)?;
        object.set("rows_read", meta.rows_read as f64)?;
        object.set("rows_written", meta.rows_written as f64)?;
        Ok(object)
    }

    fn row(&mut self) -> Result<bool> {
        let row = self.body.row();
        self.read(row)
    }

    fn read<T>(&self, read: std::result::Result<T, Malformed>) -> Result<T> {
        read.map_err(|malformed| settle::error(self.ctx, "Error", &malformed.to_string()))
    }
}
