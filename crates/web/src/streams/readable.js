// ReadableStream with its default controller and default reader: https://streams.spec.whatwg.org/#rs
//
// A public object carries its internal state in a private field; everything else works on the states alone,
// through intrinsics taken before user code could replace them. `shared.streams` lends what works on states to the
// other scripts of this folder, each of which adds its part to it: tee.js, iteration.js, from.js and bodies.js.
// `native` holds the functions of native.rs.
(function (native, shared) {
  "use strict";

  const {
    Promise, RangeError, TypeError, apply, defineProperty, promiseThen: then, symbolAsyncIterator, uncurryThis,
  } = shared.primordials;
  const { expose } = shared.webidl;
  const { Number, Symbol } = globalThis;
  const { isNaN } = Number;
  const promiseResolve = uncurryThis(Promise.resolve);
  const promiseReject = uncurryThis(Promise.reject);

  const resolved = (value) => promiseResolve(Promise, value);
  const rejected = (reason) => promiseReject(Promise, reason);
  const ignore = () => {};
  const markHandled = (promise) => { then(promise, undefined, ignore); };
  const deferred = () => {
    let resolve, reject;
    const promise = new Promise((a, b) => { resolve = a; reject = b; });
    return { promise, resolve, reject };
  };
  const isObject = (value) => (typeof value === "object" && value !== null) || typeof value === "function";

  // A constructor given this token makes an object around a state that exists already.
  const INTERNAL = Symbol("internal");
  const illegal = () => new TypeError("Illegal invocation");

  // First in, first out, without touching anything that hangs on Array.prototype.
  class Queue {
    #first = null;
    #last = null;
    get empty() { return this.#first === null; }
    push(value) {
      const link = { value, next: null };
      if (this.#last === null) this.#first = link; else this.#last.next = link;
      this.#last = link;
    }
    shift() {
      const { value, next } = this.#first;
      this.#first = next;
      if (next === null) this.#last = null;
      return value;
    }
    clear() { this.#first = this.#last = null; }
  }

  // --- states ---

  const READABLE = 0, CLOSED = 1, ERRORED = 2;

  const newStream = () => ({
    object: null,
    state: READABLE,
    error: undefined,
    disturbed: false,
    reader: null,
    controller: null,
    // The Rust body behind the stream, if there is one.
    native: null,
  });

  // `pull` and `cancel` return promises; a stream around a Rust body has `native` in their place.
  const newController = (stream, highWaterMark, size, pull, cancel) => {
    const controller = {
      object: null,
      stream,
      chunks: new Queue(),
      queued: 0,
      started: false,
      closeRequested: false,
      pulling: false,
      pullAgain: false,
      highWaterMark,
      size,
      pull,
      cancel,
    };
    stream.controller = controller;
    return controller;
  };

  const startController = (controller, result) => {
    then(resolved(result), () => {
      controller.started = true;
      callPullIfNeeded(controller);
    }, (error) => { controllerError(controller, error); });
  };

  const startedStream = (highWaterMark, size, pull, cancel) => {
    const stream = newStream();
    startController(newController(stream, highWaterMark, size, pull, cancel), undefined);
    return stream;
  };

  const objectOf = (stream) => stream.object ?? new ReadableStream(INTERNAL, stream);

  // --- stream operations ---

  const streamClose = (stream) => {
    stream.state = CLOSED;
    const { reader } = stream;
    if (reader === null) return;
    reader.closed.resolve(undefined);
    while (!reader.requests.empty) reader.requests.shift().close();
  };

  const streamError = (stream, error) => {
    stream.state = ERRORED;
    stream.error = error;
    const { reader } = stream;
    if (reader === null) return;
    reader.closed.reject(error);
    markHandled(reader.closed.promise);
    while (!reader.requests.empty) reader.requests.shift().error(error);
  };

  const streamCancel = (stream, reason) => {
    stream.disturbed = true;
    if (stream.state === CLOSED) return resolved(undefined);
    if (stream.state === ERRORED) return rejected(stream.error);
    streamClose(stream);
    return then(controllerCancel(stream.controller, reason), ignore);
  };

  // --- default controller ---

  const forgetAlgorithms = (controller) => {
    controller.pull = controller.cancel = controller.size = null;
  };

  const desiredSize = (controller) => {
    const { state } = controller.stream;
    if (state === ERRORED) return null;
    return state === CLOSED ? 0 : controller.highWaterMark - controller.queued;
  };

  const canCloseOrEnqueue = (controller) => !controller.closeRequested && controller.stream.state === READABLE;

  const callPullIfNeeded = (controller) => {
    const { stream } = controller;
    if (!controller.started || !canCloseOrEnqueue(controller)) return;
    const wanted = stream.reader !== null && !stream.reader.requests.empty;
    if (!wanted && desiredSize(controller) <= 0) return;
    if (controller.pulling) {
      controller.pullAgain = true;
      return;
    }
    controller.pulling = true;
    if (stream.native !== null) {
      native.pull(stream.native, stream);
      return;
    }
    then(controller.pull(), () => {
      controller.pulling = false;
      if (controller.pullAgain) {
        controller.pullAgain = false;
        callPullIfNeeded(controller);
      }
    }, (error) => { controllerError(controller, error); });
  };

  const controllerEnqueue = (controller, chunk) => {
    const { stream } = controller;
    if (stream.reader !== null && !stream.reader.requests.empty) {
      stream.reader.requests.shift().chunk(chunk);
    } else {
      try {
        const size = Number((0, controller.size)(chunk));
        if (!(size >= 0) || size === Infinity) {
          throw new RangeError("The return value of a queuing strategy's size function must be a finite, non-NaN, non-negative number");
        }
        controller.chunks.push({ chunk, size });
        controller.queued += size;
      } catch (error) {
        controllerError(controller, error);
        throw error;
      }
    }
    callPullIfNeeded(controller);
  };

  const controllerClose = (controller) => {
    if (!canCloseOrEnqueue(controller)) return;
    controller.closeRequested = true;
    if (controller.chunks.empty) {
      forgetAlgorithms(controller);
      streamClose(controller.stream);
    }
  };

  const controllerError = (controller, error) => {
    if (controller.stream.state !== READABLE) return;
    controller.chunks.clear();
    controller.queued = 0;
    forgetAlgorithms(controller);
    streamError(controller.stream, error);
  };

  const controllerCancel = (controller, reason) => {
    controller.chunks.clear();
    controller.queued = 0;
    const { stream, cancel } = controller;
    forgetAlgorithms(controller);
    if (stream.native !== null) {
      native.cancel(stream.native);
      return resolved(undefined);
    }
    return cancel(reason);
  };

  const controllerPull = (controller, request) => {
    if (controller.chunks.empty) {
      controller.stream.reader.requests.push(request);
      callPullIfNeeded(controller);
      return;
    }
    const { chunk, size } = controller.chunks.shift();
    // Rounding may leave less than nothing.
    controller.queued -= size;
    if (controller.queued < 0) controller.queued = 0;
    if (controller.closeRequested && controller.chunks.empty) {
      forgetAlgorithms(controller);
      streamClose(controller.stream);
    } else {
      callPullIfNeeded(controller);
    }
    request.chunk(chunk);
  };

  class ReadableStreamDefaultController {
    #controller;
    static #is(value) { return isObject(value) && #controller in value; }
    constructor(token, controller) {
      if (token !== INTERNAL) throw new TypeError("Illegal constructor");
      this.#controller = controller;
      controller.object = this;
    }
    get desiredSize() {
      if (!ReadableStreamDefaultController.#is(this)) throw illegal();
      return desiredSize(this.#controller);
    }
    close() {
      if (!ReadableStreamDefaultController.#is(this)) throw illegal();
      if (!canCloseOrEnqueue(this.#controller)) throw new TypeError("This ReadableStream is closed.");
      controllerClose(this.#controller);
    }
    enqueue(chunk = undefined) {
      if (!ReadableStreamDefaultController.#is(this)) throw illegal();
      if (!canCloseOrEnqueue(this.#controller)) throw new TypeError("Unable to enqueue");
      controllerEnqueue(this.#controller, chunk);
    }
    error(error = undefined) {
      if (!ReadableStreamDefaultController.#is(this)) throw illegal();
      controllerError(this.#controller, error);
    }
  }

  // --- default reader ---

  const acquireReader = (stream) => {
    if (stream.reader !== null) throw new TypeError("This ReadableStream is currently locked to a reader.");
    const reader = { stream, closed: deferred(), requests: new Queue() };
    if (stream.state === CLOSED) {
      reader.closed.resolve(undefined);
    } else if (stream.state === ERRORED) {
      reader.closed.reject(stream.error);
      markHandled(reader.closed.promise);
    }
    stream.reader = reader;
    return reader;
  };

  const readerRead = (reader, request) => {
    const { stream } = reader;
    stream.disturbed = true;
    if (stream.state === CLOSED) request.close();
    else if (stream.state === ERRORED) request.error(stream.error);
    else controllerPull(stream.controller, request);
  };

  const readerRelease = (reader) => {
    const { stream } = reader;
    if (stream === null) return;
    const error = new TypeError("This ReadableStream reader has been released.");
    if (stream.state === READABLE) reader.closed.reject(error);
    else {
      reader.closed = deferred();
      reader.closed.reject(error);
    }
    markHandled(reader.closed.promise);
    stream.reader = null;
    reader.stream = null;
    while (!reader.requests.empty) reader.requests.shift().error(error);
  };

  class ReadableStreamDefaultReader {
    #reader;
    static #is(value) { return isObject(value) && #reader in value; }
    constructor(stream, reader = undefined) {
      if (stream !== INTERNAL) {
        const state = isStream(stream) ? stateOf(stream) : undefined;
        if (state === undefined) {
          throw new TypeError("Failed to construct 'ReadableStreamDefaultReader': parameter 1 is not of type 'ReadableStream'.");
        }
        reader = acquireReader(state);
      }
      this.#reader = reader;
    }
    get closed() {
      if (!ReadableStreamDefaultReader.#is(this)) return rejected(illegal());
      return this.#reader.closed.promise;
    }
    cancel(reason = undefined) {
      if (!ReadableStreamDefaultReader.#is(this)) return rejected(illegal());
      const { stream } = this.#reader;
      if (stream === null) return rejected(new TypeError("This ReadableStream reader has been released."));
      return streamCancel(stream, reason);
    }
    read() {
      if (!ReadableStreamDefaultReader.#is(this)) return rejected(illegal());
      const reader = this.#reader;
      if (reader.stream === null) return rejected(new TypeError("This ReadableStream reader has been released."));
      const { promise, resolve, reject } = deferred();
      readerRead(reader, {
        chunk(value) { resolve({ value, done: false }); },
        close() { resolve({ value: undefined, done: true }); },
        error: reject,
      });
      return promise;
    }
    releaseLock() {
      if (!ReadableStreamDefaultReader.#is(this)) throw illegal();
      readerRelease(this.#reader);
    }
  }

  // --- the public stream ---

  const callback = (dictionary, key) => {
    const value = dictionary[key];
    if (value === undefined || value === null) return undefined;
    if (typeof value !== "function") throw new TypeError(`The member '${key}' is not a function`);
    return value;
  };

  const dictionary = (value, what) => {
    if (value === undefined || value === null) return undefined;
    if (!isObject(value)) throw new TypeError(`The ${what} is not an object`);
    return value;
  };

  const promiseCall = (f, self, args) => {
    try {
      return resolved(apply(f, self, args));
    } catch (error) {
      return rejected(error);
    }
  };

  let stateOf, isStream;

  class ReadableStream {
    #stream;
    static #is(value) { return isObject(value) && #stream in value; }
    static {
      isStream = (value) => ReadableStream.#is(value);
      stateOf = (object) => object.#stream;
    }

    constructor(underlyingSource = undefined, strategy = undefined) {
      if (underlyingSource === INTERNAL) {
        this.#stream = strategy;
        strategy.object = this;
        return;
      }
      const source = dictionary(underlyingSource, "underlying source");
      const queuing = dictionary(strategy, "queuing strategy");
      let highWaterMark = 1, size = () => 1;
      if (queuing !== undefined) {
        const mark = queuing.highWaterMark;
        if (mark !== undefined && mark !== null) highWaterMark = Number(mark);
        size = callback(queuing, "size") ?? size;
      }
      let cancel, pull, start;
      if (source !== undefined) {
        cancel = callback(source, "cancel");
        pull = callback(source, "pull");
        start = callback(source, "start");
        const { type } = source;
        if (type !== undefined && type !== null) {
          if (`${type}` !== "bytes") {
            throw new TypeError(`The provided value '${type}' is not a valid enum value of type ReadableStreamType.`);
          }
          throw new TypeError("ReadableStream: an underlying source of type 'bytes' is not supported yet; leave out 'type' and enqueue Uint8Array chunks instead.");
        }
      }
      if (isNaN(highWaterMark) || highWaterMark < 0) {
        throw new RangeError("The queuing strategy's highWaterMark must be a non-negative, non-NaN number");
      }
      const stream = newStream();
      this.#stream = stream;
      stream.object = this;
      const controller = newController(stream, highWaterMark, size, null, null);
      const object = new ReadableStreamDefaultController(INTERNAL, controller);
      controller.pull = pull === undefined ? () => resolved(undefined) : () => promiseCall(pull, source, [object]);
      controller.cancel = cancel === undefined ? () => resolved(undefined) : (reason) => promiseCall(cancel, source, [reason]);
      startController(controller, start === undefined ? undefined : apply(start, source, [object]));
    }

    static from(asyncIterable) { return streams.from(asyncIterable); }

    get locked() {
      if (!ReadableStream.#is(this)) throw illegal();
      return this.#stream.reader !== null;
    }
    cancel(reason = undefined) {
      if (!ReadableStream.#is(this)) return rejected(illegal());
      if (this.#stream.reader !== null) {
        return rejected(new TypeError("This ReadableStream is currently locked to a reader."));
      }
      return streamCancel(this.#stream, reason);
    }
    getReader(options = undefined) {
      if (!ReadableStream.#is(this)) throw illegal();
      const mode = dictionary(options, "options argument")?.mode;
      if (mode !== undefined && mode !== null) {
        if (`${mode}` !== "byob") {
          throw new TypeError(`The provided value '${mode}' is not a valid enum value of type ReadableStreamReaderMode.`);
        }
        throw new TypeError("This ReadableStream does not support BYOB reads.");
      }
      return new ReadableStreamDefaultReader(INTERNAL, acquireReader(this.#stream));
    }
    tee() {
      if (!ReadableStream.#is(this)) throw illegal();
      const branches = streams.tee(this.#stream, this.#stream.native !== null);
      return [objectOf(branches[0]), objectOf(branches[1])];
    }
    values(options = undefined) {
      if (!ReadableStream.#is(this)) throw illegal();
      const preventCancel = !!dictionary(options, "options argument")?.preventCancel;
      return streams.iterate(acquireReader(this.#stream), preventCancel);
    }
  }

  expose(ReadableStream, "ReadableStream");
  expose(ReadableStreamDefaultReader, "ReadableStreamDefaultReader");
  expose(ReadableStreamDefaultController, "ReadableStreamDefaultController");
  defineProperty(ReadableStream.prototype, symbolAsyncIterator, {
    __proto__: null, value: ReadableStream.prototype.values, writable: true, configurable: true,
  });

  const streams = shared.streams = {
    __proto__: null,
    READABLE, native,
    acquireReader, callPullIfNeeded, canCloseOrEnqueue, controllerClose, controllerEnqueue, controllerError, deferred,
    illegal, isObject, isStream, markHandled, newController, newStream, objectOf, readerRead, readerRelease, rejected,
    resolved, startedStream, stateOf, streamCancel, streamClose, then,
  };
})
