// ReadableStream: https://streams.spec.whatwg.org/#rs-class
(function (native, shared) {
  "use strict";

  const { RangeError, TypeError, apply, defineProperty, symbolAsyncIterator } = shared.primordials;
  const { dictionary: requiredDictionary, enforceUnsigned, expose, requireArguments } = shared.webidl;
  const { done, promiseCall, rejected } = shared.promises;
  const {
    INTERNAL, callback, dictionary, highWaterMarkOf, illegal, isObject, strategyOf, underlying,
  } = shared.streamArguments;
  const { streams } = shared;
  const {
    acquireReader, newByteController, newByteControllerObject, newController, newControllerObject, newReaderObject,
    newStream, startByteController, startController, streamCancel,
  } = streams;

  const LOCKED = "This ReadableStream is currently locked to a reader.";
  const ready = () => done;

  // An underlying source, its members read in order.
  const sourceOf = (value) => {
    if (value === undefined) return {};
    let autoAllocate = value.autoAllocateChunkSize;
    if (autoAllocate !== undefined) autoAllocate = enforceUnsigned(autoAllocate, "The member 'autoAllocateChunkSize'");
    const cancel = callback(value, "cancel");
    const pull = callback(value, "pull");
    const start = callback(value, "start");
    let { type } = value;
    if (type !== undefined) {
      type = `${type}`;
      if (type !== "bytes") {
        throw new TypeError(`The provided value '${type}' is not a valid enum value of type ReadableStreamType.`);
      }
    }
    return { autoAllocate, cancel, pull, start, type };
  };

  // The options of pipeTo and pipeThrough, read in order.
  const pipeOptions = (value) => {
    const options = dictionary(value, "options argument");
    if (options === undefined) return { preventAbort: false, preventCancel: false, preventClose: false, signal: undefined };
    const preventAbort = !!options.preventAbort, preventCancel = !!options.preventCancel;
    const preventClose = !!options.preventClose;
    const { signal } = options;
    if (signal !== undefined && !shared.events.isSignal(signal)) {
      throw new TypeError("The member 'signal' is not an AbortSignal");
    }
    return { preventAbort, preventCancel, preventClose, signal };
  };

  class ReadableStream {
    #stream;
    static #is(value) { return isObject(value) && #stream in value; }
    static {
      streams.isStream = (value) => ReadableStream.#is(value);
      streams.stateOf = (object) => object.#stream;
      streams.objectOf = (stream) => stream.object ?? new ReadableStream(INTERNAL, stream);
    }

    constructor(underlyingSource = undefined, strategy = undefined) {
      if (underlyingSource === INTERNAL) {
        this.#stream = strategy;
        strategy.object = this;
        return;
      }
      underlying(underlyingSource, "underlying source");
      const queuing = strategyOf(strategy);
      const { autoAllocate, cancel, pull, start, type } = sourceOf(underlyingSource);
      const bytes = type === "bytes";
      if (bytes && queuing.size !== undefined) {
        throw new RangeError("The queuing strategy of a byte stream must have no size function");
      }
      const highWaterMark = highWaterMarkOf(queuing, bytes ? 0 : 1);
      if (bytes && autoAllocate === 0) throw new TypeError("The member 'autoAllocateChunkSize' must be greater than 0.");
      const stream = newStream();
      this.#stream = stream;
      stream.object = this;
      let controller, object;
      if (bytes) {
        controller = newByteController(stream, highWaterMark, null, null, autoAllocate);
        object = newByteControllerObject(controller);
      } else {
        controller = newController(stream, highWaterMark, queuing.size ?? null, null, null);
        object = newControllerObject(controller);
      }
      controller.pull = pull === undefined ? ready : () => promiseCall(pull, underlyingSource, [object]);
      controller.cancel = cancel === undefined ? ready : (reason) => promiseCall(cancel, underlyingSource, [reason]);
      const started = start === undefined ? undefined : apply(start, underlyingSource, [object]);
      (bytes ? startByteController : startController)(controller, started);
    }

    static from(asyncIterable) { return streams.from(asyncIterable); }

    get locked() {
      if (!ReadableStream.#is(this)) throw illegal();
      return this.#stream.reader !== null;
    }
    cancel(reason = undefined) {
      if (!ReadableStream.#is(this)) return rejected(illegal());
      if (this.#stream.reader !== null) return rejected(new TypeError(LOCKED));
      return streamCancel(this.#stream, reason);
    }
    getReader(options = undefined) {
      if (!ReadableStream.#is(this)) throw illegal();
      const mode = dictionary(options, "options argument")?.mode;
      if (mode !== undefined && `${mode}` !== "byob") {
        throw new TypeError(`The provided value '${mode}' is not a valid enum value of type ReadableStreamReaderMode.`);
      }
      return newReaderObject(this.#stream, mode !== undefined);
    }
    pipeThrough(transform, options = undefined) {
      if (!ReadableStream.#is(this)) throw illegal();
      requireArguments(arguments.length, 1, "pipeThrough' on 'ReadableStream", "ReadableWritablePair");
      const pair = requiredDictionary(transform, "The transform");
      const { readable } = pair;
      if (!ReadableStream.#is(readable)) throw new TypeError("The transform's 'readable' is not a ReadableStream");
      const { writable } = pair;
      if (!streams.isWritable(writable)) throw new TypeError("The transform's 'writable' is not a WritableStream");
      const settings = pipeOptions(options);
      const destination = streams.writableState(writable);
      if (this.#stream.reader !== null) throw new TypeError(LOCKED);
      if (destination.writer !== null) throw new TypeError("This WritableStream is currently locked to a writer.");
      shared.promises.markHandled(streams.pipeTo(this.#stream, destination, settings));
      return readable;
    }
    pipeTo(destination, options = undefined) {
      try {
        if (!ReadableStream.#is(this)) throw illegal();
        requireArguments(arguments.length, 1, "pipeTo' on 'ReadableStream", "WritableStream");
        if (!streams.isWritable(destination)) {
          throw new TypeError("Failed to execute 'pipeTo' on 'ReadableStream': parameter 1 is not of type 'WritableStream'.");
        }
        const settings = pipeOptions(options);
        const target = streams.writableState(destination);
        if (this.#stream.reader !== null) throw new TypeError(LOCKED);
        if (target.writer !== null) throw new TypeError("This WritableStream is currently locked to a writer.");
        return streams.pipeTo(this.#stream, target, settings);
      } catch (error) {
        return rejected(error);
      }
    }
    tee() {
      if (!ReadableStream.#is(this)) throw illegal();
      const branches = streams.tee(this.#stream, false);
      return [streams.objectOf(branches[0]), streams.objectOf(branches[1])];
    }
    values(options = undefined) {
      if (!ReadableStream.#is(this)) throw illegal();
      const preventCancel = !!dictionary(options, "options argument")?.preventCancel;
      return streams.iterate(acquireReader(this.#stream), preventCancel);
    }
  }

  expose(ReadableStream, "ReadableStream");
  defineProperty(ReadableStream.prototype, symbolAsyncIterator, {
    __proto__: null, value: ReadableStream.prototype.values, writable: true, configurable: true,
  });
})
