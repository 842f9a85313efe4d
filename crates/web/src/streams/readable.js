// ReadableStream with its default controller and default reader: https://streams.spec.whatwg.org/#rs
//
// A public object carries its internal state in a private field; everything else works on the states alone,
// through intrinsics taken before user code could replace them. `native` holds the functions of `native.rs`;
// `shared.streams` those that Rust calls.
(function (native, shared) {
  "use strict";

  const {
    Promise, RangeError, TypeError, WeakMap, apply, create, defineProperty, getPrototypeOf, promiseThen: then,
    setPrototypeOf, symbolAsyncIterator, symbolIterator, uncurryThis, weakMapGet, weakMapSet,
  } = shared.primordials;
  const { expose, tag } = shared.webidl;
  const { Number, String, Symbol } = globalThis;
  const { isNaN } = Number;
  const AsyncIteratorPrototype = getPrototypeOf(getPrototypeOf((async function* () {}).prototype));
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
    controller.queued = controller.chunks.empty ? 0 : controller.queued - size;
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
    constructor(token, controller) {
      if (token !== INTERNAL) throw new TypeError("Illegal constructor");
      this.#controller = controller;
      controller.object = this;
    }
    get desiredSize() {
      if (!(#controller in this)) throw illegal();
      return desiredSize(this.#controller);
    }
    close() {
      if (!(#controller in this)) throw illegal();
      if (!canCloseOrEnqueue(this.#controller)) throw new TypeError("This ReadableStream is closed.");
      controllerClose(this.#controller);
    }
    enqueue(chunk = undefined) {
      if (!(#controller in this)) throw illegal();
      if (!canCloseOrEnqueue(this.#controller)) throw new TypeError("Unable to enqueue");
      controllerEnqueue(this.#controller, chunk);
    }
    error(error = undefined) {
      if (!(#controller in this)) throw illegal();
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
      if (!(#reader in this)) return rejected(illegal());
      return this.#reader.closed.promise;
    }
    cancel(reason = undefined) {
      if (!(#reader in this)) return rejected(illegal());
      const { stream } = this.#reader;
      if (stream === null) return rejected(new TypeError("This ReadableStream reader has been released."));
      return streamCancel(stream, reason);
    }
    read() {
      if (!(#reader in this)) return rejected(illegal());
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
      if (!(#reader in this)) throw illegal();
      readerRelease(this.#reader);
    }
  }

  // --- tee ---

  // `copies`: the second branch gets copies of the bytes, so that neither reader can spoil the other's.
  const streamTee = (stream, copies) => {
    const reader = acquireReader(stream);
    let reading = false, readAgain = false;
    const branches = [null, null], canceled = [false, false], reasons = [undefined, undefined];
    const cancelResult = deferred();

    const request = {
      chunk(chunk) {
        // A chunk may arrive during `pull` of a branch; what it starts must not run before that has returned.
        then(resolved(undefined), () => {
          readAgain = false;
          let second = chunk;
          if (copies && !canceled[1]) {
            try {
              second = native.copyChunk(chunk);
            } catch (error) {
              controllerError(branches[0].controller, error);
              controllerError(branches[1].controller, error);
              cancelResult.resolve(streamCancel(stream, error));
              return;
            }
          }
          if (!canceled[0]) controllerEnqueue(branches[0].controller, chunk);
          if (!canceled[1]) controllerEnqueue(branches[1].controller, second);
          reading = false;
          if (readAgain) pull();
        });
      },
      close() {
        reading = false;
        for (let i = 0; i < 2; i++) if (!canceled[i]) controllerClose(branches[i].controller);
        if (!canceled[0] || !canceled[1]) cancelResult.resolve(undefined);
      },
      error() { reading = false; },
    };
    const pull = () => {
      if (reading) readAgain = true;
      else {
        reading = true;
        readerRead(reader, request);
      }
      return resolved(undefined);
    };
    const cancelBranch = (index) => (reason) => {
      canceled[index] = true;
      reasons[index] = reason;
      if (canceled[1 - index]) cancelResult.resolve(streamCancel(stream, reasons));
      return cancelResult.promise;
    };
    const one = () => 1;
    const highWaterMark = copies ? 0 : 1;
    for (let i = 0; i < 2; i++) branches[i] = startedStream(highWaterMark, one, pull, cancelBranch(i));
    then(reader.closed.promise, undefined, (error) => {
      controllerError(branches[0].controller, error);
      controllerError(branches[1].controller, error);
      if (!canceled[0] || !canceled[1]) cancelResult.resolve(undefined);
    });
    return branches;
  };

  // --- asynchronous iteration ---

  const iteratorStates = new WeakMap();
  const iteratorState = (object) => (isObject(object) ? weakMapGet(iteratorStates, object) : undefined);

  const iteratorNext = (state) => {
    if (state.finished) return resolved({ value: undefined, done: true });
    const { promise, resolve, reject } = deferred();
    readerRead(state.reader, {
      chunk(value) {
        state.ongoing = null;
        resolve({ value, done: false });
      },
      close() {
        state.ongoing = null;
        state.finished = true;
        readerRelease(state.reader);
        resolve({ value: undefined, done: true });
      },
      error(reason) {
        state.ongoing = null;
        state.finished = true;
        readerRelease(state.reader);
        reject(reason);
      },
    });
    return promise;
  };

  const iteratorReturn = (state, value) => {
    if (state.finished) return resolved({ value, done: true });
    state.finished = true;
    const { reader } = state;
    const result = state.preventCancel ? resolved(undefined) : streamCancel(reader.stream, value);
    readerRelease(reader);
    return then(result, () => ({ value, done: true }));
  };

  const afterOngoing = (state, step) => {
    const promise = state.ongoing === null ? step() : then(state.ongoing, step, step);
    state.ongoing = promise;
    return promise;
  };

  const ReadableStreamAsyncIteratorPrototype = {
    next() {
      const state = iteratorState(this);
      if (state === undefined) return rejected(illegal());
      return afterOngoing(state, () => iteratorNext(state));
    },
    return(value) {
      const state = iteratorState(this);
      if (state === undefined) return rejected(illegal());
      return afterOngoing(state, () => iteratorReturn(state, value));
    },
  };
  setPrototypeOf(ReadableStreamAsyncIteratorPrototype, AsyncIteratorPrototype);
  tag(ReadableStreamAsyncIteratorPrototype, "ReadableStream AsyncIterator");

  // --- ReadableStream.from ---

  const method = (object, key) => {
    const value = object[key];
    if (value === undefined || value === null) return undefined;
    if (typeof value !== "function") throw new TypeError(`${String(key)} is not a function`);
    return value;
  };

  const fromIterable = (iterable) => {
    if (iterable === undefined || iterable === null) {
      throw new TypeError("Failed to execute 'from' on 'ReadableStream': parameter 1 is not iterable.");
    }
    let getIterator = method(iterable, symbolAsyncIterator);
    const sync = getIterator === undefined;
    if (sync) getIterator = method(iterable, symbolIterator);
    if (getIterator === undefined) {
      throw new TypeError("Failed to execute 'from' on 'ReadableStream': parameter 1 is not iterable.");
    }
    const iterator = apply(getIterator, iterable, []);
    if (!isObject(iterator)) throw new TypeError("The iterator is not an object");
    const { next } = iterator;

    // The iterator of a synchronous iterable may hand out promises; they are waited for.
    const settle = (result) => {
      if (!isObject(result)) throw new TypeError("The iterator's result is not an object");
      if (!sync) return result;
      const { done, value } = result;
      return then(resolved(value), (value) => ({ done, value }));
    };
    const pull = () => {
      let result;
      try {
        result = apply(next, iterator, []);
        if (sync) result = settle(result);
      } catch (error) {
        return rejected(error);
      }
      return then(resolved(result), (result) => {
        if (!isObject(result)) throw new TypeError("The iterator's result is not an object");
        if (result.done) controllerClose(stream.controller);
        else controllerEnqueue(stream.controller, result.value);
      });
    };
    const cancel = (reason) => {
      let result;
      try {
        const close = method(iterator, "return");
        if (close === undefined) return resolved(undefined);
        result = apply(close, iterator, [reason]);
        if (sync) result = settle(result);
      } catch (error) {
        return rejected(error);
      }
      return then(resolved(result), (result) => {
        if (!isObject(result)) throw new TypeError("The iterator's result is not an object");
      });
    };
    const stream = startedStream(0, () => 1, pull, cancel);
    return objectOf(stream);
  };

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
    static {
      isStream = (value) => isObject(value) && #stream in value;
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

    static from(asyncIterable) { return fromIterable(asyncIterable); }

    get locked() {
      if (!(#stream in this)) throw illegal();
      return this.#stream.reader !== null;
    }
    cancel(reason = undefined) {
      if (!(#stream in this)) return rejected(illegal());
      if (this.#stream.reader !== null) {
        return rejected(new TypeError("This ReadableStream is currently locked to a reader."));
      }
      return streamCancel(this.#stream, reason);
    }
    getReader(options = undefined) {
      if (!(#stream in this)) throw illegal();
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
      if (!(#stream in this)) throw illegal();
      const branches = streamTee(this.#stream, this.#stream.native !== null);
      return [objectOf(branches[0]), objectOf(branches[1])];
    }
    values(options = undefined) {
      if (!(#stream in this)) throw illegal();
      const preventCancel = !!dictionary(options, "options argument")?.preventCancel;
      const reader = acquireReader(this.#stream);
      const iterator = create(ReadableStreamAsyncIteratorPrototype);
      const state = { reader, preventCancel, ongoing: null, finished: false };
      weakMapSet(iteratorStates, iterator, state);
      return iterator;
    }
  }

  // --- queuing strategies ---

  const byteLength = { size(chunk) { return chunk.byteLength; } }.size;
  const count = { size() { return 1; } }.size;

  const initMark = (init, name) => {
    const mark = isObject(init) ? init.highWaterMark : undefined;
    if (mark === undefined) {
      throw new TypeError(`Failed to construct '${name}': the member 'highWaterMark' is required.`);
    }
    return Number(mark);
  };

  class ByteLengthQueuingStrategy {
    #mark;
    constructor(init) { this.#mark = initMark(init, "ByteLengthQueuingStrategy"); }
    get highWaterMark() {
      if (!(#mark in this)) throw illegal();
      return this.#mark;
    }
    get size() {
      if (!(#mark in this)) throw illegal();
      return byteLength;
    }
  }

  class CountQueuingStrategy {
    #mark;
    constructor(init) { this.#mark = initMark(init, "CountQueuingStrategy"); }
    get highWaterMark() {
      if (!(#mark in this)) throw illegal();
      return this.#mark;
    }
    get size() {
      if (!(#mark in this)) throw illegal();
      return count;
    }
  }

  expose(ReadableStream, "ReadableStream");
  expose(ReadableStreamDefaultReader, "ReadableStreamDefaultReader");
  expose(ReadableStreamDefaultController, "ReadableStreamDefaultController");
  expose(ByteLengthQueuingStrategy, "ByteLengthQueuingStrategy");
  expose(CountQueuingStrategy, "CountQueuingStrategy");
  defineProperty(ReadableStream.prototype, symbolAsyncIterator, {
    __proto__: null, value: ReadableStream.prototype.values, writable: true, configurable: true,
  });

  // --- for Rust ---

  // Hands every chunk to `push(chunk, resume)`, which answers true if it can take the next one at once;
  // otherwise it calls `resume(reason)` later, with a reason if it wants no more. It may throw.
  const pump = (stream, push, closed, failed) => {
    const reader = acquireReader(stream);
    let reading = false, again = false, over = false;
    const stop = (error) => {
      if (over) return;
      over = true;
      markHandled(streamCancel(stream, error));
      failed(error);
    };
    const resume = (reason) => {
      if (over) return;
      if (reason !== undefined) stop(new TypeError(reason));
      else next();
    };
    const request = {
      chunk(chunk) {
        let ready;
        try {
          ready = push(chunk, resume);
        } catch (error) {
          stop(error);
          return;
        }
        if (ready) next();
      },
      close() { over = true; closed(); },
      error(error) { over = true; failed(error); },
    };
    // Chunks that are there already are taken in a loop, however many there are.
    const next = () => {
      again = true;
      if (reading) return;
      reading = true;
      while (again && !over) {
        again = false;
        readerRead(reader, request);
      }
      reading = false;
    };
    next();
  };

  shared.streams = {
    __proto__: null,
    isStream,
    from: fromIterable,

    fromNative(source) {
      const stream = newStream();
      stream.native = source;
      newController(stream, 0, () => 1, null, null).started = true;
      return objectOf(stream);
    },

    // The Rust body behind a stream that nobody has touched; with `take`, the stream is used up by it.
    takeNative(object, take) {
      if (!isStream(object)) return undefined;
      const stream = stateOf(object);
      const source = stream.native;
      if (source === null || stream.disturbed || stream.reader !== null || stream.state !== READABLE) return undefined;
      if (take) {
        acquireReader(stream);
        stream.disturbed = true;
        streamClose(stream);
      }
      return source;
    },

    // What a pull of a Rust body brought: a chunk, an error or (neither given) the end.
    pulled(stream, chunk, error) {
      const { controller } = stream;
      controller.pulling = false;
      const again = controller.pullAgain;
      controller.pullAgain = false;
      if (!canCloseOrEnqueue(controller)) return;
      if (error !== undefined) controllerError(controller, error);
      else if (chunk === undefined) controllerClose(controller);
      else {
        controllerEnqueue(controller, chunk);
        if (again) callPullIfNeeded(controller);
      }
    },

    // A stream as it is after its body was read to the end.
    spent() {
      const stream = newStream();
      newController(stream, 0, () => 1, null, null).started = true;
      streamClose(stream);
      stream.disturbed = true;
      acquireReader(stream);
      return objectOf(stream);
    },

    // 1: locked; 2: disturbed.
    status(object) {
      const { reader, disturbed } = stateOf(object);
      return (reader === null ? 0 : 1) | (disturbed ? 2 : 0);
    },

    teeBody(object) {
      const branches = streamTee(stateOf(object), true);
      return [objectOf(branches[0]), objectOf(branches[1])];
    },

    // The same chunks as a stream of their own, for a new owner.
    passOn(object) {
      const from = stateOf(object);
      const reader = acquireReader(from);
      from.disturbed = true;
      const pull = () => {
        const { promise, resolve } = deferred();
        readerRead(reader, {
          chunk(chunk) {
            controllerEnqueue(stream.controller, chunk);
            resolve(undefined);
          },
          close() {
            controllerClose(stream.controller);
            resolve(undefined);
          },
          error(error) {
            controllerError(stream.controller, error);
            resolve(undefined);
          },
        });
        return promise;
      };
      const stream = startedStream(0, () => 1, pull, (reason) => streamCancel(from, reason));
      return objectOf(stream);
    },

    // A promise of all bytes, as `finish` turns them into a value.
    collect(object, finish) {
      const { promise, resolve, reject } = deferred();
      const gather = native.gather();
      pump(stateOf(object), (chunk) => native.gathered(gather, chunk), () => {
        let value;
        try {
          value = finish(gather);
        } catch (error) {
          reject(error);
          return;
        }
        resolve(value);
      }, reject);
      return promise;
    },

    drain(object, sink, failed) {
      pump(stateOf(object), (chunk, resume) => native.write(sink, chunk, resume), () => {
        native.close(sink);
      }, (error) => {
        native.abort(sink, error);
        if (failed !== undefined) failed(error);
      });
    },
  };
})
