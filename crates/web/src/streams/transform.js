// TransformStream: https://streams.spec.whatwg.org/#ts
(function (native, shared) {
  "use strict";

  const { RangeError, TypeError, apply } = shared.primordials;
  const { expose } = shared.webidl;
  const {
    deferred, done, exactPromiseCall, later, own, promiseCall, promiseOf, react, rejected, then,
  } = shared.promises;
  const { Queue } = shared.queues;
  const {
    INTERNAL, callback, highWaterMarkOf, illegal, isObject, strategyOf, underlying,
  } = shared.streamArguments;
  const {
    ERRORED, canCloseOrEnqueue, controllerClose, controllerEnqueue, controllerError, desiredSize, native: bytes, newController,
    newStream: newReadable, objectOf, shouldCallPull, startController,
  } = shared.streams;
  const {
    ERRORED: SINK_ERRORED, ERRORING, newController: newSinkController, newStream: newWritable,
    objectOf: writableObject, startController: startSinkController,
  } = shared.writables;

  // --- states ---

  // `transform(chunk)`, `flush()` and `cancel(reason)` return promises.
  const newTransform = (writableMark, writableSize, readableMark, readableSize) => {
    const state = {
      object: null,
      readable: newReadable(),
      writable: newWritable(),
      backpressure: true,
      // What is to be called in the turn after the back-pressure changes.
      waiting: new Queue(),
      transform: null,
      flush: null,
      cancel: null,
      // The promise of a close, abort or cancel that is under way.
      finish: null,
    };
    const { readable, writable } = state;
    newSinkController(writable, writableMark, writableSize,
      (chunk) => sinkWrite(state, chunk), () => sinkClose(state), (reason) => sinkAbort(state, reason));
    newController(readable, readableMark, readableSize, () => sourcePull(state), (reason) => sourceCancel(state, reason));
    return state;
  };

  const start = (state, result) => {
    const started = result === undefined ? done : promiseOf(result);
    startSinkController(state.writable.controller, started);
    startController(state.readable.controller, started);
  };

  const setBackpressure = (state, backpressure) => {
    for (let waiting; (waiting = state.waiting.shift()) !== undefined;) later(waiting);
    state.backpressure = backpressure;
  };

  const unblockWrite = (state) => {
    if (state.backpressure) setBackpressure(state, false);
  };

  const forgetAlgorithms = (state) => { state.transform = state.flush = state.cancel = null; };

  const errorWritableAndUnblock = (state, error) => {
    forgetAlgorithms(state);
    state.writable.controller.failIfWritable(error);
    unblockWrite(state);
  };

  const errorBoth = (state, error) => {
    controllerError(state.readable.controller, error);
    errorWritableAndUnblock(state, error);
  };

  // --- what a transformer may do ---

  const enqueue = (state, chunk) => {
    const { controller } = state.readable;
    if (!canCloseOrEnqueue(controller)) throw new TypeError("Readable side is not in a state that permits enqueue");
    try {
      controllerEnqueue(controller, chunk);
    } catch (error) {
      errorWritableAndUnblock(state, error);
      throw state.readable.error;
    }
    if (!shouldCallPull(controller) !== state.backpressure) setBackpressure(state, true);
  };

  const terminate = (state) => {
    controllerClose(state.readable.controller);
    errorWritableAndUnblock(state, new TypeError("TransformStream terminated"));
  };

  // --- the writable side ---

  // Its controller's reactions, where they are called without a promise of the write's own.
  const written = (state) => { later(state.writable.controller.written); };
  const failed = (state, error) => {
    errorBoth(state, error);
    later(() => { state.writable.controller.failed(error); });
  };

  const sinkWrite = (state, chunk) => {
    if (!state.backpressure) {
      const result = state.transform(chunk);
      if (result === done) return done;
      then(result, () => { written(state); }, (error) => { failed(state, error); });
      return own;
    }
    state.waiting.push(() => {
      const { writable } = state;
      if (writable.state === ERRORING) {
        later(() => { writable.controller.failed(writable.error); });
        return;
      }
      react(state.transform(chunk), () => { written(state); }, (error) => { failed(state, error); });
    });
    return own;
  };

  const sinkAbort = (state, reason) => {
    if (state.finish !== null) return state.finish.promise;
    const { readable } = state;
    const finish = state.finish = deferred();
    const result = state.cancel(reason);
    forgetAlgorithms(state);
    then(result, () => {
      if (readable.state === ERRORED) finish.reject(readable.error);
      else {
        controllerError(readable.controller, reason);
        finish.resolve(undefined);
      }
    }, (error) => {
      controllerError(readable.controller, error);
      finish.reject(error);
    });
    return finish.promise;
  };

  const sinkClose = (state) => {
    if (state.finish !== null) return state.finish.promise;
    const { readable } = state;
    const finish = state.finish = deferred();
    const result = state.flush();
    forgetAlgorithms(state);
    then(result, () => {
      if (readable.state === ERRORED) finish.reject(readable.error);
      else {
        controllerClose(readable.controller);
        finish.resolve(undefined);
      }
    }, (error) => {
      controllerError(readable.controller, error);
      finish.reject(error);
    });
    return finish.promise;
  };

  // --- the readable side ---

  const sourcePull = (state) => {
    setBackpressure(state, false);
    state.waiting.push(state.readable.controller.pulled);
    return own;
  };

  const sourceCancel = (state, reason) => {
    if (state.finish !== null) return state.finish.promise;
    const { writable } = state;
    const finish = state.finish = deferred();
    const result = state.cancel(reason);
    forgetAlgorithms(state);
    then(result, () => {
      if (writable.state === SINK_ERRORED) finish.reject(writable.error);
      else {
        writable.controller.failIfWritable(reason);
        unblockWrite(state);
        finish.resolve(undefined);
      }
    }, (error) => {
      writable.controller.failIfWritable(error);
      unblockWrite(state);
      finish.reject(error);
    });
    return finish.promise;
  };

  // --- the classes ---

  class TransformStreamDefaultController {
    #state;
    static #of(value) {
      if (!isObject(value) || !(#state in value)) throw illegal();
      return value.#state;
    }
    constructor(token = undefined, state = undefined) {
      if (token !== INTERNAL) throw new TypeError("Illegal constructor");
      this.#state = state;
    }
    get desiredSize() { return desiredSize(TransformStreamDefaultController.#of(this).readable.controller); }
    enqueue(chunk = undefined) { enqueue(TransformStreamDefaultController.#of(this), chunk); }
    error(reason = undefined) { errorBoth(TransformStreamDefaultController.#of(this), reason); }
    terminate() { terminate(TransformStreamDefaultController.#of(this)); }
  }

  class TransformStream {
    #state;
    static #of(value) {
      if (!isObject(value) || !(#state in value)) throw illegal();
      return value.#state;
    }

    constructor(transformer = undefined, writableStrategy = undefined, readableStrategy = undefined) {
      if (transformer === INTERNAL) {
        this.#state = writableStrategy;
        return;
      }
      underlying(transformer, "transformer");
      const writing = strategyOf(writableStrategy);
      const reading = strategyOf(readableStrategy);
      let cancel, flush, start_, transform;
      if (transformer !== undefined) {
        cancel = callback(transformer, "cancel");
        flush = callback(transformer, "flush");
        if (transformer.readableType !== undefined) throw new RangeError("The transformer must have no 'readableType'");
        start_ = callback(transformer, "start");
        transform = callback(transformer, "transform");
        if (transformer.writableType !== undefined) throw new RangeError("The transformer must have no 'writableType'");
      }
      const readableMark = highWaterMarkOf(reading, 0);
      const writableMark = highWaterMarkOf(writing, 1);
      const state = newTransform(writableMark, writing.size ?? null, readableMark, reading.size ?? null);
      this.#state = state;
      const controller = new TransformStreamDefaultController(INTERNAL, state);
      if (transform === undefined) state.writable.pass = (chunk) => isTaken(state, bytes.take, chunk);
      state.transform = transform === undefined ? (chunk) => pass(state, chunk)
        : (chunk) => promiseCall(transform, transformer, [chunk, controller]);
      state.flush = flush === undefined ? () => done : () => promiseCall(flush, transformer, [controller]);
      state.cancel = cancel === undefined ? () => done : (reason) => exactPromiseCall(cancel, transformer, [reason]);
      start(state, start_ === undefined ? undefined : apply(start_, transformer, [controller]));
    }

    get readable() { return objectOf(TransformStream.#of(this).readable); }
    get writable() { return writableObject(TransformStream.#of(this).writable); }
  }

  // Whether the sink that reads the readable side has taken a chunk on the spot, by `take(sink, chunk)`. All that would
  // happen to the streams besides would be undone before anybody could look.
  const isTaken = (state, take, chunk) => {
    if (state.backpressure) return false;
    const { controller, reader } = state.readable;
    return reader !== null && reader.sink !== null && reader.requests.first !== null && canCloseOrEnqueue(controller)
      && take(reader.sink, chunk);
  };

  const pass = (state, chunk) => {
    try {
      enqueue(state, chunk);
      return done;
    } catch (error) {
      return rejected(error);
    }
  };

  expose(TransformStream, "TransformStream");
  expose(TransformStreamDefaultController, "TransformStreamDefaultController");

  shared.transforms = {
    __proto__: null,
    TransformStream, enqueue, errorBoth, isTaken, newTransform, start, terminate,
  };
})
