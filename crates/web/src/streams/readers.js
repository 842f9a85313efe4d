// ReadableStreamDefaultReader and ReadableStreamBYOBReader: https://streams.spec.whatwg.org/#default-reader-class
(function (native, shared) {
  "use strict";

  const {
    RangeError, TypeError, bufferByteLength, bufferDetached, isView,
  } = shared.primordials;
  const { enforceUnsigned, expose } = shared.webidl;
  const { deferred, rejected } = shared.promises;
  const { INTERNAL, dictionary, illegal, isObject } = shared.streamArguments;
  const { acquireReader, readerRead, readerReadInto, readerRelease, released, streamCancel } = shared.streams;
  const { viewOf } = shared.views;

  // A read request that settles a promise.
  class Read {
    // Declared, so that no setter of Object.prototype is asked.
    outcome;
    constructor(outcome) { this.outcome = outcome; }
    chunk(value) { this.outcome.resolve({ value, done: false }); }
    close(value = undefined) { this.outcome.resolve({ value, done: true }); }
    error(reason) { this.outcome.reject(reason); }
  }

  const cancel = (reader, reason) => {
    const { stream } = reader;
    return stream === null ? rejected(released()) : streamCancel(stream, reason);
  };

  const argument = (name) =>
    new TypeError(`Failed to construct '${name}': parameter 1 is not of type 'ReadableStream'.`);

  class ReadableStreamDefaultReader {
    #reader;
    static #is(value) { return isObject(value) && #reader in value; }
    constructor(stream, reader = undefined) {
      if (stream !== INTERNAL) {
        if (!shared.streams.isStream(stream)) throw argument("ReadableStreamDefaultReader");
        reader = acquireReader(shared.streams.stateOf(stream));
      }
      this.#reader = reader;
    }
    get closed() {
      if (!ReadableStreamDefaultReader.#is(this)) return rejected(illegal());
      return this.#reader.closed.promise;
    }
    cancel(reason = undefined) {
      if (!ReadableStreamDefaultReader.#is(this)) return rejected(illegal());
      return cancel(this.#reader, reason);
    }
    read() {
      if (!ReadableStreamDefaultReader.#is(this)) return rejected(illegal());
      const reader = this.#reader;
      if (reader.stream === null) return rejected(released());
      const outcome = deferred();
      readerRead(reader, new Read(outcome));
      return outcome.promise;
    }
    releaseLock() {
      if (!ReadableStreamDefaultReader.#is(this)) throw illegal();
      readerRelease(this.#reader);
    }
  }

  class ReadableStreamBYOBReader {
    #reader;
    static #is(value) { return isObject(value) && #reader in value; }
    constructor(stream, reader = undefined) {
      if (stream !== INTERNAL) {
        if (!shared.streams.isStream(stream)) throw argument("ReadableStreamBYOBReader");
        reader = acquireReader(shared.streams.stateOf(stream), true);
      }
      this.#reader = reader;
    }
    get closed() {
      if (!ReadableStreamBYOBReader.#is(this)) return rejected(illegal());
      return this.#reader.closed.promise;
    }
    cancel(reason = undefined) {
      if (!ReadableStreamBYOBReader.#is(this)) return rejected(illegal());
      return cancel(this.#reader, reason);
    }
    read(view, options = undefined) {
      if (!ReadableStreamBYOBReader.#is(this)) return rejected(illegal());
      const reader = this.#reader;
      const outcome = deferred();
      try {
        if (!isView(view)) throw new TypeError("Failed to execute 'read' on 'ReadableStreamBYOBReader': parameter 1 is not of type 'ArrayBufferView'.");
        const shape = viewOf(view);
        let min = dictionary(options, "options argument")?.min;
        min = min === undefined ? 1 : enforceUnsigned(min, "The member 'min'");
        // What was converted last may have changed the view.
        const { buffer, byteLength, length } = viewOf(view);
        if (bufferDetached(buffer)) throw new TypeError("The view's buffer is detached.");
        if (byteLength === 0) throw new TypeError("You must call read() on a \"byob\" reader with a positive-sized TypedArray object.");
        if (bufferByteLength(buffer) === 0) throw new TypeError("The view's buffer is empty.");
        if (min === 0) throw new TypeError("The member 'min' must be at least 1.");
        if (min > length) throw new RangeError("The member 'min' must not exceed the length of the view.");
        if (reader.stream === null) throw released();
        readerReadInto(reader, shape, min, new Read(outcome));
      } catch (error) {
        outcome.reject(error);
      }
      return outcome.promise;
    }
    releaseLock() {
      if (!ReadableStreamBYOBReader.#is(this)) throw illegal();
      readerRelease(this.#reader);
    }
  }

  expose(ReadableStreamDefaultReader, "ReadableStreamDefaultReader");
  expose(ReadableStreamBYOBReader, "ReadableStreamBYOBReader");

  shared.streams.newReaderObject = (stream, byob) =>
    new (byob ? ReadableStreamBYOBReader : ReadableStreamDefaultReader)(INTERNAL, acquireReader(stream, byob));
})
