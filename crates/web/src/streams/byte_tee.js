// The tee of a byte stream: https://streams.spec.whatwg.org/#abstract-opdef-readablebytestreamtee
(function (native, shared) {
  "use strict";

  const { typedArrayBuffer, typedArrayByteLength, typedArrayByteOffset } = shared.primordials;
  const { deferred, done, later, then } = shared.promises;
  const { cloneBytes, viewOf } = shared.views;
  const {
    acquireReader, byobRequest, byteClose, byteEnqueue, byteError, readerRead, readerReadInto, readerRelease, respond,
    respondWithNewView, startedByteStream, streamCancel,
  } = shared.streams;

  const clone = (chunk) =>
    cloneBytes(typedArrayBuffer(chunk), typedArrayByteOffset(chunk), typedArrayByteLength(chunk));

  shared.streams.teeBytes = (stream) => {
    let reader = acquireReader(stream);
    let reading = false;
    const again = [false, false], canceled = [false, false], reasons = [undefined, undefined], branches = [null, null];
    const cancelResult = deferred();

    const failBoth = (error) => {
      for (let i = 0; i < 2; i++) byteError(branches[i].controller, error);
    };
    const settleCancel = () => {
      if (!canceled[0] || !canceled[1]) cancelResult.resolve(undefined);
    };
    const forwardError = (current) => {
      then(current.closed.promise, undefined, (error) => {
        if (current !== reader) return;
        failBoth(error);
        settleCancel();
      });
    };
    // The stream is read in the way that the branch which asks is.
    const use = (byob) => {
      if (reader.byob === byob) return;
      readerRelease(reader);
      reader = acquireReader(stream, byob);
      forwardError(reader);
    };
    // A copy for the other branch; undefined if there is no memory for it, which fails everything.
    const copyFor = (chunk) => {
      try {
        return clone(chunk);
      } catch (error) {
        failBoth(error);
        cancelResult.resolve(streamCancel(stream, error));
        return undefined;
      }
    };
    const proceed = () => {
      reading = false;
      if (again[0]) pull(0);
      else if (again[1]) pull(1);
    };

    const request = {
      chunk(chunk) {
        // What a chunk starts must not run before the pull that brought it has returned.
        later(() => {
          again[0] = again[1] = false;
          let second = chunk;
          if (!canceled[0] && !canceled[1]) {
            second = copyFor(chunk);
            if (second === undefined) return;
          }
          if (!canceled[0]) byteEnqueue(branches[0].controller, chunk);
          if (!canceled[1]) byteEnqueue(branches[1].controller, second);
          proceed();
        });
      },
      close() {
        reading = false;
        for (let i = 0; i < 2; i++) if (!canceled[i]) byteClose(branches[i].controller);
        for (let i = 0; i < 2; i++) if (branches[i].controller.pending.first !== null) respond(branches[i].controller, 0);
        settleCancel();
      },
      error() { reading = false; },
    };

    // A read into the view that a reader of branch `index` waits with.
    const requestInto = (index) => {
      const asking = branches[index].controller, other = branches[1 - index].controller;
      return {
        chunk(chunk) {
          later(() => {
            again[0] = again[1] = false;
            const isAskingCanceled = canceled[index], isOtherCanceled = canceled[1 - index];
            let copy;
            if (!isOtherCanceled) {
              copy = copyFor(chunk);
              if (copy === undefined) return;
            }
            if (!isAskingCanceled) respondWithNewView(asking, viewOf(chunk));
            if (!isOtherCanceled) byteEnqueue(other, copy);
            proceed();
          });
        },
        close(chunk) {
          reading = false;
          const isAskingCanceled = canceled[index], isOtherCanceled = canceled[1 - index];
          if (!isAskingCanceled) byteClose(asking);
          if (!isOtherCanceled) byteClose(other);
          if (chunk !== undefined) {
            if (!isAskingCanceled) respondWithNewView(asking, viewOf(chunk));
            if (!isOtherCanceled && other.pending.first !== null) respond(other, 0);
          }
          settleCancel();
        },
        error() { reading = false; },
      };
    };

    const pull = (index) => {
      if (reading) {
        again[index] = true;
        return done;
      }
      reading = true;
      const asked = byobRequest(branches[index].controller);
      if (asked === null) {
        use(false);
        readerRead(reader, request);
      } else {
        use(true);
        readerReadInto(reader, viewOf(asked.view), 1, requestInto(index));
      }
      return done;
    };
    const cancelBranch = (index) => (reason) => {
      canceled[index] = true;
      reasons[index] = reason;
      if (canceled[1 - index]) cancelResult.resolve(streamCancel(stream, reasons));
      return cancelResult.promise;
    };
    for (let i = 0; i < 2; i++) branches[i] = startedByteStream(() => pull(i), cancelBranch(i));
    forwardError(reader);
    return branches;
  };
})
