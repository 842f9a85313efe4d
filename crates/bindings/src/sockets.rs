//! `connect()` through the host: a connection is a call on the network's channel, its two directions are the call's bodies.

use std::rc::Rc;

use isthmus_protocol::{ChannelId, Operation, Reply, StreamId, socket};
use isthmus_web::body::{ByteSink, IncomingBody};
use isthmus_web::{ConnectDone, Connection, SocketAddress};
use rquickjs::Ctx;

use crate::{Broker, CallBody, CallDone, exchange};

/// Connects to the outside world; [`isthmus_web::Host::connect`] says the rest.
pub fn connect(broker: &Rc<dyn Broker>, address: &SocketAddress, done: ConnectDone) -> Rc<dyn Connection> {
    let operation = socket::Operation::Connect {
        host: &address.host,
        port: address.port,
        tls: address.tls,
    };
    open(broker, operation, done)
}

fn open(broker: &Rc<dyn Broker>, operation: socket::Operation<'_>, done: ConnectDone) -> Rc<dyn Connection> {
    let body = CallBody::Stream { length: None };
    let opened = broker.call(
        ChannelId::NETWORK,
        Operation::Socket(operation),
        body,
        when_done(done),
    );
    Rc::new(Call {
        broker: Rc::clone(broker),
        call: opened.call,
        sink: opened.sink,
    })
}

/// A connection that the host has, or makes.
struct Call {
    broker: Rc<dyn Broker>,
    call: StreamId,
    sink: Option<Rc<dyn ByteSink>>,
}

impl Connection for Call {
    fn sink(&self) -> Option<Rc<dyn ByteSink>> {
        self.sink.clone()
    }

    fn start_tls(&self, _: &Ctx<'_>, host: &str, done: ConnectDone) -> Rc<dyn Connection> {
        let operation = socket::Operation::StartTls {
            connection: self.call,
            host,
        };
        let secure = open(&self.broker, operation, done);
        // The host has moved on to the new call when it hears of it.
        self.close();
        secure
    }

    fn close(&self) {
        self.broker.hang_up(self.call);
    }
}

fn when_done(done: ConnectDone) -> CallDone {
    Box::new(move |ctx, reply, body| {
        let outcome = match (reply, body) {
            (Reply::Connected, IncomingBody::Source { source, .. }) => Ok(source),
            (Reply::Failed(failure), _) => Err(failure.message.to_owned()),
            _ => Err(exchange::UNFIT.to_owned()),
        };
        done(ctx, outcome);
    })
}
