// WritableStream and its default writer: https://streams.spec.whatwg.org/#ws
//
// As with readable streams, everything but the methods of the classes works on internal states. A write request has
// the methods resolve() and reject(reason). `shared.writables` is for the other scripts.
(function (native, shared) {
  "use strict";

  const { RangeError, TypeError, apply } = shared.primordials;
  const { expose } = shared.webidl;
  const { Outcome, deferred, done, later, promiseCall, rejected, resolved, then } = shared.promises;
  const { Queue } = shared.queues;
  const {
    INTERNAL, callback, highWaterMarkOf, illegal, isObject, strategyOf, underlying,
  } = shared.streamArguments;

  const WRITABLE = 0, CLOSED = 1, ERRORING = 2, ERRORED = 3;

  const newStream = () => ({
    object: null,
    state: WRITABLE,
    error: undefined,
    writer: null,
    controller: null,
    backpressure: false,
    // Deferreds.
    closeRequest: null,
    closing: null,
    // Write requests: the one that the sink works on, and those that wait.
    writing: null,
    writes: new Queue(),
    // { outcome, reason, wasErroring }
    abort: null,
    // The Rust sink behind the stream, if there is one.
    native: null,
    // For the writable side of a transform of ours; see channel.js.
    channel: null,
    // `pass(chunk)`: whether a chunk has gone where it goes on the spot, and nothing is left of it to be done. Null
    // where no chunk can.
    pass: null,
  });

  const isClosing = (stream) => stream.closeRequest !== null || stream.closing !== null;

  // --- streams ---

  const startErroring = (stream, reason) => {
    stream.state = ERRORING;
    stream.error = reason;
    if (stream.writer !== null) rejectReady(stream.writer, reason);
    if (stream.writing === null && stream.closing === null && stream.controller.started) finishErroring(stream);
  };

  const finishErroring = (stream) => {
    stream.state = ERRORED;
    stream.controller.forgetQueue();
    const { error, writes } = stream;
    stream.writes = new Queue();
    for (let request; (request = writes.shift()) !== undefined;) request.reject(error);
    const { abort } = stream;
    if (abort === null) {
      rejectClosed(stream);
      return;
    }
    stream.abort = null;
    if (abort.wasErroring) {
      abort.outcome.reject(error);
      rejectClosed(stream);
      return;
    }
    then(stream.controller.runAbort(abort.reason), () => {
      abort.outcome.resolve(undefined);
      rejectClosed(stream);
    }, (failure) => {
      abort.outcome.reject(failure);
      rejectClosed(stream);
    });
  };

  const rejectClosed = (stream) => {
    if (stream.closeRequest !== null) {
      stream.closeRequest.reject(stream.error);
      stream.closeRequest = null;
    }
    if (stream.writer !== null) stream.writer.closed.reject(stream.error);
  };

  // The sink failed, in a write, in a close or by itself.
  const dealWithRejection = (stream, error) => {
    if (stream.state === WRITABLE) startErroring(stream, error);
    else finishErroring(stream);
  };

  const finishWrite = (stream) => {
    const request = stream.writing;
    stream.writing = null;
    request.resolve(undefined);
  };

  const failWrite = (stream, error) => {
    const request = stream.writing;
    stream.writing = null;
    request.reject(error);
    dealWithRejection(stream, error);
  };

  const finishClose = (stream) => {
    const request = stream.closing;
    stream.closing = null;
    request.resolve(undefined);
    if (stream.state === ERRORING) {
      // The error came too late to change anything.
      stream.error = undefined;
      if (stream.abort !== null) {
        stream.abort.outcome.resolve(undefined);
        stream.abort = null;
      }
    }
    stream.state = CLOSED;
    if (stream.writer !== null) stream.writer.closed.resolve();
  };

  const failClose = (stream, error) => {
    const request = stream.closing;
    stream.closing = null;
    request.reject(error);
    if (stream.abort !== null) {
      stream.abort.outcome.reject(error);
      stream.abort = null;
    }
    dealWithRejection(stream, error);
  };

  const updateBackpressure = (stream, backpressure) => {
    if (backpressure === stream.backpressure) return;
    const { writer } = stream;
    if (writer !== null) {
      if (backpressure) {
        writer.ready = writer.ready.renewed();
      } else {
        writer.ready.resolve();
        if (writer.onReady !== null) writer.onReady();
      }
    }
    stream.backpressure = backpressure;
  };

  const streamAbort = (stream, reason) => {
    if (stream.state === CLOSED || stream.state === ERRORED) return resolved(undefined);
    stream.controller.signalAbort(reason);
    if (stream.state === CLOSED || stream.state === ERRORED) return resolved(undefined);
    if (stream.abort !== null) return stream.abort.outcome.promise;
    const wasErroring = stream.state === ERRORING;
    const outcome = deferred();
    stream.abort = { outcome, reason: wasErroring ? undefined : reason, wasErroring };
    if (!wasErroring) startErroring(stream, reason);
    return outcome.promise;
  };

  const streamClose = (stream) => {
    if (stream.state === CLOSED || stream.state === ERRORED) {
      return rejected(new TypeError(stream.state === CLOSED ? "This WritableStream has been closed." : "This WritableStream has been errored."));
    }
    if (isClosing(stream)) return rejected(new TypeError("This WritableStream is being closed."));
    stream.closeRequest = deferred();
    const { promise } = stream.closeRequest;
    const { writer } = stream;
    if (writer !== null && stream.backpressure && stream.state === WRITABLE) writer.ready.resolve();
    stream.controller.queueClose();
    return promise;
  };

  // --- writers ---

  const rejectReady = (writer, error) => {
    if (!writer.ready.pending) writer.ready = new Outcome();
    writer.ready.reject(error);
  };

  const rejectClosedOf = (writer, error) => {
    if (!writer.closed.pending) writer.closed = new Outcome();
    writer.closed.reject(error);
  };

  const acquireWriter = (stream) => {
    if (stream.writer !== null) throw new TypeError("This WritableStream is currently locked to a writer.");
    // `onReady` is called when the back-pressure ends.
    const writer = { stream, ready: new Outcome(), closed: new Outcome(), onReady: null };
    stream.writer = writer;
    if (stream.state === WRITABLE) {
      if (isClosing(stream) || !stream.backpressure) writer.ready.resolve();
    } else if (stream.state === ERRORING) {
      writer.ready.reject(stream.error);
    } else if (stream.state === CLOSED) {
      writer.ready.resolve();
      writer.closed.resolve();
    } else {
      writer.ready.reject(stream.error);
      writer.closed.reject(stream.error);
    }
    return writer;
  };

  const released = () => new TypeError("This WritableStream writer has been released.");

  const writerRelease = (writer) => {
    const { stream } = writer;
    if (stream === null) return;
    const error = released();
    rejectReady(writer, error);
    rejectClosedOf(writer, error);
    stream.writer = null;
    writer.stream = null;
  };

  // As `writerWrite`, of a chunk that needs no waiting; false, with nothing done, for all others.
  const writePassing = (stream, chunk, request) => {
    const { controller } = stream;
    if (stream.state !== WRITABLE || stream.writing !== null || controller.chunks.first !== null
        || stream.closeRequest !== null || stream.closing !== null || !controller.started || controller.size !== null || !stream.pass(chunk)) return false;
    stream.writing = request;
    controller.chunks.push(undefined, 1);
    controller.queued++;
    updateBackpressure(stream, controller.queued >= controller.highWaterMark);
    later(controller.written);
    return true;
  };

  // Hands a chunk to the stream; `request` hears what becomes of it.
  const writerWrite = (writer, chunk, request) => {
    const { stream } = writer;
    if (stream.pass !== null && writePassing(stream, chunk, request)) return;
    const size = stream.controller.sizeOf(chunk);
    // The size function may have done anything.
    if (stream !== writer.stream) {
      request.reject(released());
      return;
    }
    if (stream.state === ERRORED) {
      request.reject(stream.error);
    } else if (stream.state === CLOSED || isClosing(stream)) {
      request.reject(new TypeError("This WritableStream has been closed."));
    } else if (stream.state === ERRORING) {
      request.reject(stream.error);
    } else {
      stream.writes.push(request);
      stream.controller.queueWrite(chunk, size);
    }
  };

  const desiredSizeOf = (stream) => {
    if (stream.state === ERRORED || stream.state === ERRORING) return null;
    return stream.state === CLOSED ? 0 : stream.controller.desiredSize;
  };

  class WritableStreamDefaultWriter {
    #writer;
    static #is(value) { return isObject(value) && #writer in value; }
    constructor(stream) {
      if (!isWritable(stream)) {
        throw new TypeError("Failed to construct 'WritableStreamDefaultWriter': parameter 1 is not of type 'WritableStream'.");
      }
      this.#writer = acquireWriter(stateOf(stream));
    }
    get closed() {
      if (!WritableStreamDefaultWriter.#is(this)) return rejected(illegal());
      return this.#writer.closed.promise;
    }
    get desiredSize() {
      if (!WritableStreamDefaultWriter.#is(this)) throw illegal();
      if (this.#writer.stream === null) throw released();
      return desiredSizeOf(this.#writer.stream);
    }
    get ready() {
      if (!WritableStreamDefaultWriter.#is(this)) return rejected(illegal());
      return this.#writer.ready.promise;
    }
    abort(reason = undefined) {
      if (!WritableStreamDefaultWriter.#is(this)) return rejected(illegal());
      const { stream } = this.#writer;
      return stream === null ? rejected(released()) : streamAbort(stream, reason);
    }
    close() {
      if (!WritableStreamDefaultWriter.#is(this)) return rejected(illegal());
      const { stream } = this.#writer;
      return stream === null ? rejected(released()) : streamClose(stream);
    }
    releaseLock() {
      if (!WritableStreamDefaultWriter.#is(this)) throw illegal();
      writerRelease(this.#writer);
    }
    write(chunk = undefined) {
      if (!WritableStreamDefaultWriter.#is(this)) return rejected(illegal());
      const writer = this.#writer;
      if (writer.stream === null) return rejected(released());
      const request = deferred();
      writerWrite(writer, chunk, request);
      return request.promise;
    }
  }

  // --- the public stream ---

  let isWritable, stateOf, objectOf;

  class WritableStream {
    #stream;
    static #is(value) { return isObject(value) && #stream in value; }
    static {
      isWritable = (value) => WritableStream.#is(value);
      stateOf = (object) => object.#stream;
      objectOf = (stream) => stream.object ?? new WritableStream(INTERNAL, stream);
    }

    constructor(underlyingSink = undefined, strategy = undefined) {
      if (underlyingSink === INTERNAL) {
        this.#stream = strategy;
        strategy.object = this;
        return;
      }
      const sink = underlying(underlyingSink, "underlying sink");
      const queuing = strategyOf(strategy);
      let abort, close, start, write;
      if (sink !== undefined) {
        abort = callback(sink, "abort");
        close = callback(sink, "close");
        start = callback(sink, "start");
        if (sink.type !== undefined) throw new RangeError("The underlying sink must have no 'type'");
        write = callback(sink, "write");
      }
      const highWaterMark = highWaterMarkOf(queuing, 1);
      const stream = newStream();
      this.#stream = stream;
      stream.object = this;
      const { newController, newControllerObject, startController } = shared.writables;
      const controller = newController(stream, highWaterMark, queuing.size ?? null, null, null, null);
      const object = newControllerObject(controller);
      controller.write = write === undefined ? () => done : (chunk) => promiseCall(write, sink, [chunk, object]);
      controller.close = close === undefined ? () => done : () => promiseCall(close, sink, []);
      controller.abort = abort === undefined ? () => done : (reason) => promiseCall(abort, sink, [reason]);
      startController(controller, start === undefined ? undefined : apply(start, sink, [object]));
    }

    get locked() {
      if (!WritableStream.#is(this)) throw illegal();
      return this.#stream.writer !== null;
    }
    abort(reason = undefined) {
      if (!WritableStream.#is(this)) return rejected(illegal());
      if (this.#stream.writer !== null) return rejected(new TypeError("This WritableStream is currently locked to a writer."));
      return streamAbort(this.#stream, reason);
    }
    close() {
      if (!WritableStream.#is(this)) return rejected(illegal());
      if (this.#stream.writer !== null) return rejected(new TypeError("This WritableStream is currently locked to a writer."));
      return streamClose(this.#stream);
    }
    getWriter() {
      if (!WritableStream.#is(this)) throw illegal();
      return new WritableStreamDefaultWriter(this);
    }
  }

  expose(WritableStream, "WritableStream");
  expose(WritableStreamDefaultWriter, "WritableStreamDefaultWriter");

  shared.writables = {
    __proto__: null,
    CLOSED, ERRORED, ERRORING, WRITABLE, WritableStream,
    acquireWriter, dealWithRejection, desiredSizeOf, failClose, failWrite, finishClose, finishErroring, finishWrite, isClosing,
    isWritable, newStream, objectOf, rejectClosed, startErroring, stateOf, streamAbort, streamClose, updateBackpressure, writerRelease,
    writerWrite,
  };
  shared.streams.isWritable = isWritable;
  shared.streams.writableState = stateOf;
})
