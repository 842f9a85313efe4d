// Pairs of a writable and a readable stream around a Rust transform (`ByteTransform`), and writable streams around a
// Rust sink (`ByteSink`): `shared.streams.newPair` and `shared.writables.newSink`, for interfaces of other standards.
//
// The transform works when the readable side asks. As long as nobody has touched the pair, a Rust body that is piped
// into it becomes, together with the transform, the Rust body of the readable side: see `compose`.
(function (native, shared) {
  "use strict";

  const { Error, TypeError, bufferByteLength, dataViewBuffer, isView, typedArrayBuffer, typedArrayTag } = shared.primordials;
  const { lent, usv } = shared.webidl;
  const { deferred, done, rejected } = shared.promises;
  const {
    READABLE, acquireReader, byteError, byteGive, canCloseOrEnqueue, endBytes, native: bytes, objectOf,
    readerRelease, setNative, startedByteStream, streamClose, streamError,
  } = shared.streams;
  const {
    CLOSED, ERRORED, WRITABLE, acquireWriter, isClosing, newController, newStream, objectOf: writableObject,
    rejectClosed, writerRelease,
  } = shared.writables;

  const notBytes = () => new TypeError("The chunk is not an ArrayBuffer or a view of one.");
  const notBytesForIdentity = () => new TypeError(
    "This TransformStream is being used as a byte stream, but received an object of non-ArrayBuffer/ArrayBufferView "
      + "type on its writable side.");

  // --- pairs ---

  // Shared memory may change while it is read, so it is no BufferSource.
  const isShared = (chunk) => {
    if (typeof chunk !== "object" || chunk === null) return false;
    if (!isView(chunk)) return isSharedBuffer(chunk) && lent(chunk) === undefined;
    return isSharedBuffer(typedArrayTag(chunk) === undefined ? dataViewBuffer(chunk) : typedArrayBuffer(chunk));
  };
  const isSharedBuffer = (buffer) => {
    try {
      bufferByteLength(buffer);
      return false;
    } catch {
      return true;
    }
  };

  const plain = (chunk) => (typeof chunk === "string" ? usv(chunk) : chunk);
  const sizeOf = (chunk) => bytes.sizeOf(plain(chunk));

  const settleWrite = (channel, failed, error) => {
    if (!channel.writing) return;
    channel.writing = false;
    const { outcome } = channel;
    if (outcome === null) channel.result = failed ? rejected(error) : done;
    else if (failed) outcome.reject(error);
    else outcome.resolve(undefined);
  };

  // Moves output to the readable side as long as that asks, and input is left.
  const advance = (channel) => {
    if (channel.running || channel.isPaused) return;
    channel.running = true;
    const { controller } = channel.readable;
    // What a chunk has begun goes on until a piece waits for its reader.
    while (channel.writing && canCloseOrEnqueue(controller)
        && (controller.pulling || (channel.isWorking && controller.queued === 0))) {
      channel.isWorking = true;
      let output;
      try {
        output = bytes.next(channel.transform);
      } catch (error) {
        fail(channel, error);
        break;
      }
      if (output === null) {
        // A large chunk is worked on in several turns.
        channel.isPaused = true;
        bytes.nextTurn(() => {
          channel.isPaused = false;
          advance(channel);
        });
        break;
      }
      if (output !== undefined) {
        controller.pulling = false;
        byteGive(controller, output);
        // A lenient transform changes nothing, so one piece is all.
        if (!channel.isLenient || !channel.writing) continue;
      }
      channel.isWorking = false;
      settleWrite(channel, false, undefined);
    }
    channel.running = false;
  };

  // Both sides have the error then.
  const fail = (channel, error) => {
    bytes.drop(channel.transform);
    byteError(channel.readable.controller, error);
    channel.writable.controller.failIfWritable(error);
    settleWrite(channel, !channel.isLenient, error);
  };

  const write = (channel, chunk) => {
    channel.isFed = true;
    const size = !channel.isLenient && isShared(chunk) ? undefined
      : bytes.feed(channel.transform, plain(chunk), channel.isLenient);
    if (size === undefined) {
      const error = channel.isLenient ? notBytesForIdentity() : notBytes();
      fail(channel, error);
      return rejected(error);
    }
    if (size === 0) return done;
    channel.writing = true;
    channel.outcome = null;
    advance(channel);
    // What the reader has taken already needs no promise of its own.
    if (!channel.writing) return channel.result;
    channel.outcome = deferred();
    return channel.outcome.promise;
  };

  // For a transform that changes nothing.
  const pass = (channel, chunk) => {
    const { controller, reader, state } = channel.readable;
    if (reader === null || reader.sink === null || reader.requests.first === null || state !== READABLE
        || controller.queued > 0 || !controller.pulling || channel.isPaused || !bytes.take(reader.sink, chunk)) return false;
    channel.isFed = true;
    return true;
  };

  const close = (channel) => {
    const { readable } = channel;
    const { controller } = readable;
    try {
      for (let output; (output = bytes.finish(channel.transform)) !== undefined;) {
        controller.pulling = false;
        byteGive(controller, output);
      }
    } catch (error) {
      bytes.drop(channel.transform);
      byteError(controller, error);
      return channel.isLenient ? done : rejected(error);
    }
    bytes.drop(channel.transform);
    if (readable.state !== READABLE) return readable.error === undefined ? done : rejected(readable.error);
    controller.pulling = false;
    endBytes(controller);
    return done;
  };

  const abort = (channel, reason) => {
    bytes.drop(channel.transform);
    byteError(channel.readable.controller, reason);
    return done;
  };

  const cancel = (channel, reason) => {
    bytes.drop(channel.transform);
    channel.writable.controller.failIfWritable(reason);
    settleWrite(channel, true, reason);
    return done;
  };

  // The states of a pair around `transform` (of `native_transform`). A lenient one takes strings, and does not tell the
  // writer when the transform fails in what it has taken. With a mark, the writable side counts bytes, else chunks.
  const newChannel = (transform, isLenient = false, highWaterMark = undefined) => {
    const writable = newStream();
    const readable = startedByteStream(null, (reason) => cancel(channel, reason));
    const channel = {
      transform, readable, writable, isLenient, writing: false, outcome: null, result: done, isFed: false, isWorking: false,
      running: false, isPaused: false,
    };
    readable.controller.ask = () => { advance(channel); };
    writable.channel = channel;
    newController(writable, highWaterMark ?? 1, highWaterMark === undefined ? null : sizeOf,
      (chunk) => write(channel, chunk), () => close(channel), (reason) => abort(channel, reason));
    writable.controller.started = true;
    return channel;
  };

  // Whose failure the end of a composed body may be, but for its reader's.
  const OF_SOURCE = 0, OF_TRANSFORM = 1;

  // Whether nothing has happened to the pair that `sink` is the writable side of.
  const isUntouched = (sink) => {
    const { channel } = sink;
    if (channel === null || channel.isFed || sink.state !== WRITABLE || isClosing(sink) || sink.writes.first !== null) return false;
    const { readable } = channel;
    return readable.native === null && readable.state === READABLE && readable.reader === null && !readable.disturbed;
  };

  // Whether the Rust body of `source` can be moved as a whole.
  const isWhole = (source) =>
    source.native !== null && source.state === READABLE && source.controller.queued === 0 && !source.controller.pulling
      && source.controller.pending.first === null;

  // Pipes `source` into an untouched pair without visiting JavaScript for each chunk: its Rust body and the transform
  // become the Rust body of the readable side. Gives the promise of the pipe, or undefined if that cannot be done.
  const compose = (source, sink) => {
    if (!isWhole(source) || !isUntouched(sink)) return undefined;
    const { channel } = sink;
    const { readable } = channel;
    const pipe = deferred();
    let reader, writer;
    const finish = (isComplete, error) => {
      if (sink.state !== WRITABLE) return;
      if (isComplete) {
        sink.state = CLOSED;
        writer.closed.resolve();
        pipe.resolve(undefined);
      } else {
        sink.state = ERRORED;
        sink.error = error;
        rejectClosed(sink);
        pipe.reject(error);
      }
      writerRelease(writer);
      readerRelease(reader);
    };
    const ended = (error, whose) => {
      if (sink.state !== WRITABLE) return;
      if (error === undefined || whose !== OF_SOURCE) streamClose(source); else streamError(source, error);
      finish(error === undefined || (whose === OF_TRANSFORM && channel.isLenient), error);
    };
    const body = bytes.compose(source.native, channel.transform, ended);
    if (body === undefined) return undefined;
    reader = acquireReader(source);
    writer = acquireWriter(sink);
    source.disturbed = true;
    setNative(readable, body);
    readable.controller.cancel = (reason) => {
      bytes.cancel(body);
      streamClose(source);
      finish(false, reason);
      return done;
    };
    return pipe.promise;
  };

  // --- sinks ---

  // The state of a stream around `sink` (of `native_sink`). `closed()` and `aborted(reason)` are called when the sink has
  // been told.
  const newSink = (sink, closed, aborted, highWaterMark = 1) => {
    const stream = newStream();
    stream.native = sink;
    newController(stream, highWaterMark, null, (chunk) => {
      const outcome = deferred();
      const resume = (reason) => {
        if (reason === undefined) outcome.resolve(undefined); else outcome.reject(new Error(reason));
      };
      let answer;
      try {
        answer = bytes.write(sink, chunk, resume);
      } catch (error) {
        bytes.abort(sink, error);
        if (aborted !== undefined) aborted(error);
        return rejected(error);
      }
      if (answer === true) return done;
      if (answer !== false) return rejected(new Error(answer));
      return outcome.promise;
    }, () => {
      bytes.close(sink);
      if (closed !== undefined) closed();
      return done;
    }, (reason) => {
      bytes.abort(sink, reason);
      if (aborted !== undefined) aborted(reason);
      return done;
    });
    stream.controller.started = true;
    return stream;
  };

  // --- for other scripts and for Rust ---

  const pairOf = (channel) => ({
    __proto__: null, readable: objectOf(channel.readable), writable: writableObject(channel.writable),
  });

  shared.streams.compose = compose;
  shared.streams.isWhole = isWhole;
  shared.streams.newChannel = newChannel;
  shared.streams.newIdentity = (highWaterMark) => {
    const channel = newChannel(bytes.unchanged(), true, highWaterMark);
    channel.writable.pass = (chunk) => pass(channel, chunk);
    return channel;
  };
  shared.streams.newPair = (transform) => pairOf(newChannel(transform));
  shared.writables.newSink = newSink;
  shared.writables.newSinkObject = (sink, closed, aborted) => writableObject(newSink(sink, closed, aborted));
})
