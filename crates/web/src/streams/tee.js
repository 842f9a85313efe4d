// ReadableStream.tee: https://streams.spec.whatwg.org/#abstract-opdef-readablestreamdefaulttee
(function (native, shared) {
  "use strict";

  const { isView, typedArrayBuffer, typedArrayTag } = shared.primordials;
  const { DataView } = globalThis;
  const {
    acquireReader, controllerClose, controllerEnqueue, controllerError, deferred, native: bytes, readerRead, resolved,
    startedStream, streamCancel, then,
  } = shared.streams;

  // A buffer of the same kind with bytes of its own. Throws for anything else.
  const copyOf = (chunk) => {
    const copy = bytes.copyChunk(chunk);
    if (!isView(chunk)) return typedArrayBuffer(copy);
    const kind = typedArrayTag(chunk);
    if (kind === "Uint8Array") return copy;
    return new (kind === undefined ? DataView : typedArrays[kind])(typedArrayBuffer(copy));
  };
  const typedArrays = { __proto__: null };
  for (const name of [
    "Int8Array", "Uint8ClampedArray", "Int16Array", "Uint16Array", "Int32Array", "Uint32Array", "BigInt64Array",
    "BigUint64Array", "Float16Array", "Float32Array", "Float64Array",
  ]) typedArrays[name] = globalThis[name];

  // `copies`: the second branch gets copies of the bytes, so that neither reader can spoil the other's.
  shared.streams.tee = (stream, copies) => {
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
})
