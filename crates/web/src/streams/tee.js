// ReadableStream.tee: https://streams.spec.whatwg.org/#abstract-opdef-readablestreamdefaulttee
(function (native, shared) {
  "use strict";

  const { Uint8Array, isView, typedArrayBuffer } = shared.primordials;
  const { deferred, done, later, then } = shared.promises;
  const { viewOf } = shared.views;
  const {
    acquireReader, controllerClose, controllerEnqueue, controllerError, native: bytes, readerRead, startedStream,
    streamCancel,
  } = shared.streams;

  // A buffer of the same kind with bytes of its own. Throws for anything else.
  const copyOf = (chunk) => {
    const copy = bytes.copyChunk(chunk);
    if (!isView(chunk)) return typedArrayBuffer(copy);
    const { make } = viewOf(chunk).kind;
    return make === Uint8Array ? copy : new make(typedArrayBuffer(copy));
  };

  // `copies`: the second branch gets copies of the bytes, so that neither reader can spoil the other's.
  shared.streams.tee = (stream, copies) => {
    if (stream.controller.bytes) return shared.streams.teeBytes(stream);
    const reader = acquireReader(stream);
    let reading = false, readAgain = false;
    const branches = [null, null], canceled = [false, false], reasons = [undefined, undefined];
    const cancelResult = deferred();

    const request = {
      chunk(chunk) {
        // A chunk may arrive during `pull` of a branch; what it starts must not run before that has returned.
        later(() => {
          readAgain = false;
          let second = chunk;
          if (copies && !canceled[1]) {
            try {
              second = copyOf(chunk);
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
      return done;
    };
    const cancelBranch = (index) => (reason) => {
      canceled[index] = true;
      reasons[index] = reason;
      if (canceled[1 - index]) cancelResult.resolve(streamCancel(stream, reasons));
      return cancelResult.promise;
    };
    const highWaterMark = copies ? 0 : 1;
    for (let i = 0; i < 2; i++) branches[i] = startedStream(highWaterMark, pull, cancelBranch(i));
    then(reader.closed.promise, undefined, (error) => {
      controllerError(branches[0].controller, error);
      controllerError(branches[1].controller, error);
      if (!canceled[0] || !canceled[1]) cancelResult.resolve(undefined);
    });
    return branches;
  };
})
