// Piping: https://streams.spec.whatwg.org/#readable-stream-pipe-to
(function (native, shared) {
  "use strict";

  const { Error, TypeError } = shared.primordials;
  const { deferred, done, later, rejected, then } = shared.promises;
  const {
    CLOSED, ERRORED, READABLE, acquireReader, byteError, compose, endBytes, isWhole, native: bytes, readerRead,
    readerRelease, streamCancel,
  } = shared.streams;
  const {
    CLOSED: SINK_CLOSED, ERRORED: SINK_ERRORED, WRITABLE, acquireWriter, isClosing, streamAbort, streamClose,
    writerRelease, writerWrite,
  } = shared.writables;
  const { isAborted, onAbort, reason: reasonOf } = shared.events;

  // Fulfilled with both, rejected with the first that is.
  const both = (first, second) => {
    const { promise, resolve, reject } = deferred();
    let left = 2;
    const settled = () => { if (--left === 0) resolve(undefined); };
    then(first, settled, reject);
    then(second, settled, reject);
    return promise;
  };

  const closeUnlessClosed = (sink) => {
    if (sink.state === SINK_CLOSED || isClosing(sink)) return done;
    return sink.state === SINK_ERRORED ? rejected(sink.error) : streamClose(sink);
  };

  // Moves chunks as long as nothing stops it. `write(chunk)` is told of each, in time.
  const pump = (source, sink, reader, writer, isOver, write) => {
    let reading = false, direct = false, arrived = false, value;
    const request = {
      chunk(chunk) {
        arrived = true;
        value = chunk;
        // Whoever enqueued the chunk must not be interrupted by the sink.
        if (!direct) later(deliver);
      },
      close() {},
      error() {},
    };
    const deliver = () => {
      reading = arrived = false;
      const chunk = value;
      value = undefined;
      write(chunk);
      if (!direct) step();
    };
    const step = () => {
      // Chunks that are there already are taken in a loop, however many there are.
      while (!reading && !isOver()) {
        if (sink.state !== WRITABLE || isClosing(sink)) return;
        if (sink.backpressure) {
          writer.onReady = ready;
          return;
        }
        reading = direct = true;
        readerRead(reader, request);
        if (arrived) deliver();
        direct = false;
      }
    };
    const ready = () => {
      writer.onReady = null;
      later(step);
    };
    later(step);
    return () => arrived;
  };

  const isIdle = (sink) =>
    sink.state === WRITABLE && sink.writing === null && sink.controller.chunks.first === null && !isClosing(sink);

  // A promise of the end. Neither may be locked.
  const pipe = (source, sink, { preventAbort, preventCancel, preventClose, signal }) => {
    if (sink.channel !== null && signal === undefined && !preventAbort && !preventCancel && !preventClose) {
      const composed = compose(source, sink);
      if (composed !== undefined) return composed;
    }
    const reader = acquireReader(source), writer = acquireWriter(sink);
    source.disturbed = true;
    const { promise, resolve, reject } = deferred();
    let shuttingDown = false, unwritten = 0, whenWritten = null, stopListening = null;

    const written = () => {
      if (--unwritten === 0 && whenWritten !== null) later(checkWritten);
    };
    const request = { resolve: written, reject: written };
    const write = (chunk) => {
      unwritten++;
      writerWrite(writer, chunk, request);
    };
    let isArrived = () => false, mover;
    const checkWritten = () => {
      // A chunk that has arrived is on its way; `written` or `moved` come back here.
      if (isArrived()) later(checkWritten);
      else if (unwritten === 0 && mover === undefined && whenWritten !== null) {
        const rest = whenWritten;
        whenWritten = null;
        rest();
      }
    };

    const finish = (failed, error) => {
      writerRelease(writer);
      readerRelease(reader);
      if (stopListening !== null) stopListening();
      if (failed) reject(error); else resolve(undefined);
    };
    const shutDown = (action, failed, error) => {
      if (shuttingDown) return;
      shuttingDown = true;
      const rest = () => {
        if (action === null) finish(failed, error);
        else then(action(), () => { finish(failed, error); }, (other) => { finish(true, other); });
      };
      // What was read is written first.
      if (sink.state === WRITABLE && !isClosing(sink)) {
        whenWritten = rest;
        if (mover !== undefined) bytes.stopPump(mover);
        later(checkWritten);
      } else {
        rest();
      }
    };

    if (signal !== undefined) {
      const abort = () => {
        const reason = reasonOf(signal);
        shutDown(() => both(
          !preventAbort && sink.state === WRITABLE ? streamAbort(sink, reason) : done,
          !preventCancel && source.state === READABLE ? streamCancel(source, reason) : done,
        ), true, reason);
      };
      if (isAborted(signal)) {
        abort();
        return promise;
      }
      stopListening = onAbort(signal, abort);
    }

    const sourceFailed = (error) => { shutDown(preventAbort ? null : () => streamAbort(sink, error), true, error); };
    const sourceClosed = () => { shutDown(preventClose ? null : () => closeUnlessClosed(sink), false, undefined); };
    const sinkFailed = (error) => { shutDown(preventCancel ? null : () => streamCancel(source, error), true, error); };

    if (source.state === ERRORED) sourceFailed(source.error);
    if (sink.state === SINK_ERRORED) sinkFailed(sink.error);
    if (source.state === CLOSED) sourceClosed();
    if (source.state === READABLE) then(reader.closed.promise, sourceClosed, sourceFailed);
    if (isClosing(sink) || sink.state === SINK_CLOSED) {
      sinkFailed(new TypeError("This destination writable stream is closed."));
    } else if (sink.state !== SINK_ERRORED) {
      then(writer.closed.promise, undefined, sinkFailed);
    }
    if (shuttingDown) return promise;

    // From Rust to Rust, chunks need not come here. What is under way cannot be taken back, which only a signal that
    // leaves the source alone would ask for.
    if (sink.native !== null && isWhole(source) && isIdle(sink) && !(signal !== undefined && preventCancel)) {
      const moved = (outcome, error) => {
        mover = undefined;
        if (source.native !== null && outcome < 2) bytes.release(source.native);
        if (outcome === 0) endBytes(source.controller);
        else if (outcome === 1) byteError(source.controller, error);
        else if (outcome === 2) sink.controller.failIfWritable(new Error(error));
        if (whenWritten !== null) later(checkWritten);
      };
      let over = false;
      const started = bytes.pump(source.native, sink.native, (outcome, error) => {
        over = true;
        moved(outcome, error);
      });
      if (started !== undefined && !over) mover = started;
      if (started !== undefined) return promise;
    }
    isArrived = pump(source, sink, reader, writer, () => shuttingDown, write);
    return promise;
  };

  shared.streams.pipeTo = pipe;
})
