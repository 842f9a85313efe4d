// Streams as the bodies of Rust: `shared.bodies` holds what mod.rs and native.rs call.
(function (native, shared) {
  "use strict";

  const { Error } = shared.primordials;
  const { deferred, markHandled } = shared.promises;
  const {
    READABLE, acquireReader, byteEnqueue, byteError, byteGive, canCloseOrEnqueue, controllerClose, controllerEnqueue,
    controllerError, endBytes, isStream, native: bytes, objectOf, readerRead, setNative, startedByteStream, startedStream, stateOf,
    streamCancel, streamClose, tee,
  } = shared.streams;

  // Hands every chunk to `push(chunk, resume)`, which answers true if it can take the next one at once, false if it
  // will call `resume()` once it can, or with a reason if it wants no more (as `resume` may). If it throws, the chunk
  // was no good: that is a failure of the stream.
  const pump = (stream, push, closed, failed, sink = null) => {
    const reader = acquireReader(stream);
    reader.sink = sink;
    let reading = false, again = false, over = false;
    const cancel = (error) => {
      over = true;
      markHandled(streamCancel(stream, error));
    };
    const proceed = (answer) => {
      if (over) return;
      if (answer === true) next();
      else if (answer !== false) cancel(new Error(answer));
    };
    const resume = (reason = true) => proceed(reason);
    const request = {
      chunk(chunk) {
        let answer;
        try {
          answer = push(chunk, resume);
        } catch (error) {
          cancel(error);
          failed(error);
          return;
        }
        proceed(answer);
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

  shared.bodies = {
    __proto__: null,
    isStream,
    newPair: shared.streams.newPair,
    newSink: shared.writables.newSinkObject,

    fromNative(source) {
      const stream = startedByteStream(null, null);
      setNative(stream, source);
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
      if (!canCloseOrEnqueue(controller)) return;
      if (error !== undefined) byteError(controller, error);
      else if (chunk === undefined) endBytes(controller);
      else byteGive(controller, chunk);
    },

    // A stream as it is after its body was read to the end.
    spent() {
      const stream = startedByteStream(null, null);
      streamClose(stream);
      stream.disturbed = true;
      acquireReader(stream);
      return objectOf(stream);
    },

    // For other scripts: `push`, `closed` and `failed` as above.
    pump: (object, push, closed, failed) => { pump(stateOf(object), push, closed, failed); },

    length: (object) => stateOf(object).length,

    // 1: locked; 2: disturbed.
    status(object) {
      const { reader, disturbed } = stateOf(object);
      return (reader === null ? 0 : 1) | (disturbed ? 2 : 0);
    },

    // `length` is that of each in bytes, undefined where it isn't known.
    teeBody(object, length) {
      const branches = tee(stateOf(object), true);
      branches[0].length = branches[1].length = length;
      return [objectOf(branches[0]), objectOf(branches[1])];
    },

    // The same chunks as a stream of their own, for a new owner.
    passOn(object) {
      const from = stateOf(object);
      const reader = acquireReader(from);
      from.disturbed = true;
      const isBytes = from.controller.bytes;
      let settled = null;
      const settle = () => {
        const { resolve } = settled;
        settled = null;
        resolve(undefined);
      };
      const request = {
        chunk(chunk) {
          if (isBytes) byteEnqueue(stream.controller, chunk); else controllerEnqueue(stream.controller, chunk);
          settle();
        },
        close() {
          if (isBytes) endBytes(stream.controller); else controllerClose(stream.controller);
          settle();
        },
        error(error) {
          if (isBytes) byteError(stream.controller, error); else controllerError(stream.controller, error);
          settle();
        },
      };
      const pull = () => {
        const pulled = settled = deferred();
        readerRead(reader, request);
        return pulled.promise;
      };
      const cancel = (reason) => streamCancel(from, reason);
      const stream = isBytes ? startedByteStream(pull, cancel) : startedStream(0, pull, cancel);
      return objectOf(stream);
    },

    // The bytes of a stream as a Rust transform changes them.
    through(object, transform) {
      const { readable, writable } = shared.streams.newPair(transform);
      const settings = { preventAbort: false, preventCancel: false, preventClose: false, signal: undefined };
      markHandled(shared.streams.pipeTo(stateOf(object), shared.streams.writableState(writable), settings));
      return readable;
    },

    // Gives up a stream that is being drained, or that nobody reads.
    cancelBody(object, reason) {
      markHandled(streamCancel(stateOf(object), reason));
    },

    // Has a stream around a Rust body fail; the body is cancelled. One that has ended stays as it is.
    failBody(object, reason) {
      const stream = stateOf(object);
      if (stream.state !== READABLE || stream.native === null) return;
      bytes.cancel(stream.native);
      byteError(stream.controller, reason);
    },

    // A promise of all bytes, as `finish` turns them into a value.
    collect(object, finish) {
      const { promise, resolve, reject } = deferred();
      const gather = bytes.gather();
      pump(stateOf(object), (chunk) => bytes.gathered(gather, chunk), () => {
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
      const stream = stateOf(object);
      let broken = false;
      if (failed !== undefined) {
        stream.breakOff = (reason) => {
          broken = true;
          bytes.abort(sink, reason);
          markHandled(streamCancel(stream, reason));
        };
      }
      pump(stream, (chunk, resume) => bytes.write(sink, chunk, resume), () => {
        if (!broken) bytes.close(sink);
      }, (error) => {
        bytes.abort(sink, error);
        if (failed !== undefined) failed(error);
      }, sink);
    },

    // Gives up a stream that is being drained with somebody watching, and has its sink abort. One that has ended stays
    // as it is.
    breakOff(object, reason) {
      const stream = stateOf(object);
      if (stream.state === READABLE && stream.breakOff !== undefined) stream.breakOff(reason);
    },
  };
})
