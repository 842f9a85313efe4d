// connect() and Socket of cloudflare:sockets: https://developers.cloudflare.com/workers/runtime-apis/tcp-sockets/
//
// The bytes are `line.rs`; here are the promises, and which end of a connection follows which.
(function (native, shared) {
  "use strict";

  const { Error, String, TypeError, WeakRef, charCodeAt, deref, isInteger, trunc } = shared.primordials;
  const { interfaceOf, requireArguments, usv } = shared.webidl;
  const { isObject } = shared.streamArguments;
  const { deferred, markHandled, resolved, then } = shared.promises;
  const { WRITABLE, isClosing, newSinkObject, stateOf: writableState, streamClose } = shared.writables;
  const { failBody } = shared.bodies;

  const INTERNAL = {};
  const REFUSED = "proxy request failed, cannot connect to the specified address";
  const USE_FETCH = ". It looks like you might be trying to connect to a HTTP-based service — consider using fetch instead";
  const BAD_ADDRESS = "Specified address is empty string, contains unsupported characters or is too long.";

  // --- arguments ---

  const isHostCharacter = (code) => (code >= 97 && code <= 122) || (code >= 65 && code <= 90) || (code >= 48 && code <= 57)
    || code === 45 || code === 46 || code === 95 || code === 91 || code === 93 || code === 58;

  const checkCharacters = (address) => {
    const { length } = address;
    let isGood = length > 0 && length <= 255;
    for (let i = 0; isGood && i < length; i++) isGood = isHostCharacter(charCodeAt(address, i));
    if (!isGood) throw new TypeError(BAD_ADDRESS);
  };

  // { host, port, text }
  const addressOf = (value) => {
    if (isObject(value)) {
      const hostname = usv(value.hostname);
      const port = trunc(+value.port);
      if (!isInteger(port)) throw new TypeError("The value cannot be converted because it is not an integer.");
      if (port < 0) {
        throw new TypeError("The value cannot be converted because it is negative and this API expects a positive number.");
      }
      if (port > 65535) throw new TypeError("Value out of range. Must be less than or equal to 65535.");
      const text = hostname + ":" + String(port);
      checkCharacters(text);
      return { host: hostname, port, text };
    }
    const text = usv(value);
    const parsed = native.parse(text);
    if (parsed === undefined) throw new TypeError("Specified address could not be parsed.");
    if (parsed.host === "") throw new TypeError("Specified address is missing hostname.");
    if (parsed.port < 0) throw new TypeError("Specified address is missing port.");
    checkCharacters(text);
    return { host: parsed.host, port: parsed.port, text };
  };

  // { transport, allowHalfOpen, highWaterMark }
  const optionsOf = (value) => {
    if (value === undefined || value === null) return { transport: "off", allowHalfOpen: false, highWaterMark: undefined };
    if (!isObject(value)) {
      throw new TypeError("Failed to execute 'connect' on 'SocketsModule': parameter 2 is not of type 'SocketOptions'.");
    }
    const { secureTransport } = value;
    const allowHalfOpen = !!value.allowHalfOpen;
    let { highWaterMark } = value;
    if (highWaterMark !== undefined) {
      highWaterMark = trunc(+highWaterMark);
      if (!(highWaterMark >= 0)) throw new TypeError("The highWaterMark of a socket must be a non-negative number.");
    }
    const transport = secureTransport === undefined ? "off" : usv(secureTransport);
    if (transport !== "off" && transport !== "on" && transport !== "starttls") {
      throw new TypeError(`Unsupported value in secureTransport socket option: ${transport}`);
    }
    return { transport, allowHalfOpen, highWaterMark };
  };

  // --- the life of a socket ---

  // Both directions are over, or nobody wants them any more.
  const finish = (state) => {
    native.close(state.line);
    state.isOver = true;
    state.closed.resolve(undefined);
  };

  // What waits to be written hears `reason`, if there is one.
  const fail = (state, error, reason = undefined) => {
    native.close(state.line, reason);
    state.isOver = true;
    state.closed.reject(error);
    failBody(state.readable, error);
    writableState(state.writable).controller.failIfWritable(error);
  };

  // Has what was written reach the host; what is left of a stream that was closed or broken is as it is.
  const flush = (state) => {
    const stream = writableState(state.writable);
    if (stream.state === WRITABLE && !isClosing(stream)) return streamClose(stream);
    return stream.closeRequest !== null ? stream.closeRequest.promise : stream.closing !== null ? stream.closing.promise : resolved(undefined);
  };

  // The other side sends no more (`reason` is undefined), or the connection is lost.
  const ended = (state, reason) => {
    state.isRead = true;
    if (state.isOver || state.upgraded) return;
    if (reason !== undefined) {
      fail(state, new Error(reason), reason);
    } else if (!state.options.allowHalfOpen) {
      then(flush(state), () => { finish(state); }, (error) => { fail(state, error); });
    } else if (state.isWritten) {
      finish(state);
    }
  };

  const written = (state) => {
    state.isWritten = true;
    if (state.isRead && !state.isOver && !state.upgraded) finish(state);
  };

  const newSocket = (address, options, transport) => {
    const state = {
      address, options, transport, upgraded: false, isClosing: false, isOver: false, isRead: false, isWritten: false,
      opened: deferred(), closed: deferred(), line: null, readable: null, writable: null,
    };
    markHandled(state.opened.promise);
    markHandled(state.closed.promise);
    // Weak: the line is kept by the streams, and closed when nobody has them any more.
    const weak = new WeakRef(state);
    const line = state.line = native.newLine((reason) => {
      const state = deref(weak);
      if (state !== undefined) ended(state, reason);
    });
    state.readable = native.readable(line);
    state.writable = newSinkObject(native.sink(line), () => { written(state); }, () => {
      if (!state.isOver && !state.upgraded) finish(state);
    }, options.highWaterMark);
    return state;
  };

  // What the host says of the connection.
  const connected = (state, reason) => {
    if (reason === undefined) {
      state.opened.resolve({ remoteAddress: state.address.text, localAddress: undefined });
      return;
    }
    const { port } = state.address;
    const message = port === 80 || port === 443 ? REFUSED + USE_FETCH : REFUSED;
    const error = new Error(message, { __proto__: null, cause: new Error(reason) });
    state.opened.reject(error);
    fail(state, error, message);
  };

  const begin = (state, start) => {
    try {
      start((reason) => { connected(state, reason); });
    } catch (error) {
      state.opened.reject(error);
      fail(state, error);
    }
  };

  class Socket {
    #state;
    constructor() {
      if (arguments[0] !== INTERNAL) throw new TypeError("Illegal constructor");
      this.#state = arguments[1];
    }
    get readable() { return this.#state.readable; }
    get writable() { return this.#state.writable; }
    get closed() { return this.#state.closed.promise; }
    get opened() { return this.#state.opened.promise; }
    get upgraded() { return this.#state.upgraded; }
    get secureTransport() { return this.#state.transport; }
    close() {
      const state = this.#state;
      const done = deferred();
      const { closed } = state;
      const isOver = () => { done.resolve(undefined); };
      if (state.isClosing || state.upgraded) {
        then(closed.promise, isOver, isOver);
        return done.promise;
      }
      state.isClosing = true;
      then(state.opened.promise, () => {
        then(flush(state), () => {
          if (!state.isOver) {
            failBody(state.readable, new TypeError("This ReadableStream belongs to an object that is closing."));
            finish(state);
          }
          isOver();
        }, (error) => {
          if (!state.isOver) fail(state, error);
          isOver();
        });
      }, isOver);
      return done.promise;
    }
    startTls(options = undefined) {
      const state = this.#state;
      if (options !== undefined && options !== null && !isObject(options)) {
        throw new TypeError("Failed to execute 'startTls' on 'Socket': parameter 1 is not of type 'TlsOptions'.");
      }
      if (state.transport === "on") throw new TypeError("Cannot startTls on a TLS socket.");
      if (state.isOver || state.isClosing) {
        throw new TypeError("The connection was closed before startTls could be started.");
      }
      if (state.transport !== "starttls") {
        throw new TypeError("The `secureTransport` socket option must be set to 'starttls' for startTls to be used.");
      }
      if (state.upgraded) {
        throw new TypeError("startTls has already been called on this socket, or the socket was transferred over RPC.");
      }
      const expected = options?.expectedServerHostname;
      const host = expected === undefined ? state.address.host : usv(expected);
      const secure = newSocket(state.address, state.options, "on");
      then(state.opened.promise, () => {
        // The end of the old streams is not the end of the connection.
        native.hold(state.line);
        state.upgraded = true;
        then(flush(state), () => {
          failBody(state.readable, new TypeError("This ReadableStream belongs to a socket that was upgraded to TLS."));
          state.isOver = true;
          state.closed.resolve(undefined);
          begin(secure, (answered) => { native.startTls(state.line, secure.line, host, answered); });
        }, (error) => {
          fail(state, error);
          secure.opened.reject(error);
          fail(secure, error);
        });
      }, (error) => {
        secure.opened.reject(error);
        fail(secure, error);
      });
      return new Socket(INTERNAL, secure);
    }
  }
  interfaceOf(Socket, "Socket");

  const { connect } = {
    connect(address, options) {
      requireArguments(arguments.length, 1, "connect' on 'SocketsModule", "SocketAddress or string");
      const where = addressOf(address);
      const settings = optionsOf(options);
      const state = newSocket(where, settings, settings.transport);
      begin(state, (answered) => {
        native.connect(state.line, where.host, where.port, settings.transport === "on", answered);
      });
      return new Socket(INTERNAL, state);
    },
  };

  shared.sockets = { __proto__: null, connect };
})
