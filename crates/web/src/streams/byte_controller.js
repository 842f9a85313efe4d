// ReadableByteStreamController and ReadableStreamBYOBRequest: https://streams.spec.whatwg.org/#rbs-controller-class
//
// A stream around a Rust body has such a controller as well; its chunks are ours and need not be transferred. Such a
// controller has `ask(stream)` in place of `pull`, which is answered by setting `pulling` to false and giving a chunk.
(function (native, shared) {
  "use strict";

  const {
    ArrayBuffer, RangeError, TypeError, Uint8Array, bufferByteLength, bufferDetached, bufferResizable, isView, min,
    typedArrayBuffer, typedArrayByteLength, typedArrayByteOffset, typedArrayTag,
  } = shared.primordials;
  const { enforceUnsigned, expose, requireArguments } = shared.webidl;
  const { done, promiseOf, then } = shared.promises;
  const { Queue } = shared.queues;
  const { INTERNAL, illegal, isObject } = shared.streamArguments;
  const { cloneBytes, copyBytes, transfer, uint8, viewOf } = shared.views;
  const {
    CLOSED, READABLE, canCloseOrEnqueue, desiredSize, isRequested, newStream, runPull, shouldCallPull, streamClose,
    streamError,
  } = shared.streams;
  const bodies = shared.streams.native;

  // Whose request a pull-into descriptor serves.
  const DEFAULT = 0, BYOB = 1, NOBODY = 2;

  const newByteController = (stream, highWaterMark, pull, cancel, autoAllocate) => {
    const controller = {
      object: null,
      stream,
      steps,
      bytes: true,
      // Of { buffer, byteOffset, byteLength }.
      chunks: new Queue(),
      queued: 0,
      started: false,
      closeRequested: false,
      pulling: false,
      pullAgain: false,
      calling: false,
      highWaterMark,
      ask: null,
      pull,
      cancel,
      pulled: null,
      failed: null,
      autoAllocate,
      request: null,
      // Pull-into descriptors.
      pending: new Queue(),
    };
    stream.controller = controller;
    return controller;
  };

  const startByteController = (controller, result) => {
    then(result === undefined ? done : promiseOf(result), () => {
      controller.started = true;
      callPullIfNeeded(controller);
    }, (error) => { byteError(controller, error); });
  };

  // A stream for our own use; see `startedStream`.
  const startedByteStream = (pull, cancel) => {
    const stream = newStream();
    newByteController(stream, 0, pull, cancel, undefined).started = true;
    return stream;
  };

  const askNative = (stream) => { bodies.pull(stream.native, stream); };

  // Puts a Rust body behind a stream that has none yet.
  const setNative = (stream, body) => {
    stream.native = body;
    stream.controller.ask = askNative;
  };

  const forgetAlgorithms = (controller) => { controller.pull = controller.cancel = null; };

  const callPullIfNeeded = (controller) => {
    if (!shouldCallPull(controller)) return;
    // An answer that comes before a pull has returned does not pull by itself: there may be many of them.
    if (controller.pulling || controller.calling) {
      controller.pullAgain = true;
      return;
    }
    const { stream } = controller;
    if (controller.ask !== null) {
      controller.calling = true;
      do {
        controller.pullAgain = false;
        controller.pulling = true;
        controller.ask(stream);
      } while (controller.pullAgain && !controller.pulling && shouldCallPull(controller));
      controller.calling = false;
      return;
    }
    runPull(controller, callPullIfNeeded, byteError);
  };

  // --- the queue ---

  const enqueueChunk = (controller, buffer, byteOffset, byteLength) => {
    controller.chunks.push({ buffer, byteOffset, byteLength }, byteLength);
    controller.queued += byteLength;
  };

  const enqueueClone = (controller, buffer, byteOffset, byteLength) => {
    let copy;
    try {
      copy = cloneBytes(buffer, byteOffset, byteLength);
    } catch (error) {
      byteError(controller, error);
      throw error;
    }
    enqueueChunk(controller, typedArrayBuffer(copy), 0, byteLength);
  };

  const enqueueOrphan = (controller, descriptor) => {
    if (descriptor.filled > 0) enqueueClone(controller, descriptor.buffer, descriptor.byteOffset, descriptor.filled);
    controller.pending.shift();
  };

  const resetQueue = (controller) => {
    controller.chunks.clear();
    controller.queued = 0;
  };

  const drained = (controller) => {
    if (controller.queued === 0 && controller.closeRequested) {
      forgetAlgorithms(controller);
      streamClose(controller.stream);
    } else {
      callPullIfNeeded(controller);
    }
  };

  const fillRequest = (controller, request) => {
    const { buffer, byteOffset, byteLength } = controller.chunks.shift();
    controller.queued -= byteLength;
    drained(controller);
    request.chunk(new Uint8Array(buffer, byteOffset, byteLength));
  };

  // --- pull-into descriptors ---

  const dropRequest = (controller) => {
    const { request } = controller;
    if (request === null) return;
    request.controller = null;
    request.view = null;
    controller.request = null;
  };

  // The filled part of a descriptor, as the view its reader asked for.
  const viewFilled = (descriptor) =>
    new descriptor.kind.make(transfer(descriptor.buffer), descriptor.byteOffset, descriptor.filled / descriptor.kind.elementSize);

  const commit = (stream, descriptor) => {
    const view = viewFilled(descriptor);
    const request = stream.reader.requests.shift();
    if (stream.state !== CLOSED) request.chunk(view);
    else request.close(descriptor.owner === BYOB ? view : undefined);
  };

  const commitAll = (stream, descriptors) => {
    for (let descriptor; (descriptor = descriptors.shift()) !== undefined;) commit(stream, descriptor);
  };

  // Moves what the queue holds into a descriptor; whether it has enough then.
  const fill = (controller, descriptor) => {
    const { elementSize } = descriptor.kind;
    let rest = min(controller.queued, descriptor.byteLength - descriptor.filled);
    const most = descriptor.filled + rest;
    const aligned = most - most % elementSize;
    const ready = aligned >= descriptor.minimum;
    if (ready) rest = aligned - descriptor.filled;
    while (rest > 0) {
      const chunk = controller.chunks.first.value;
      const length = min(rest, chunk.byteLength);
      copyBytes(descriptor.buffer, descriptor.byteOffset + descriptor.filled, chunk.buffer, chunk.byteOffset, length);
      if (chunk.byteLength === length) controller.chunks.shift();
      else {
        chunk.byteOffset += length;
        chunk.byteLength -= length;
      }
      controller.queued -= length;
      descriptor.filled += length;
      rest -= length;
    }
    return ready;
  };

  // The descriptors that the queue can fill, for `commitAll`.
  const fillPending = (controller) => {
    const filled = new Queue();
    while (controller.pending.first !== null && controller.queued > 0) {
      const descriptor = controller.pending.first.value;
      if (!fill(controller, descriptor)) break;
      controller.pending.shift();
      filled.push(descriptor);
    }
    return filled;
  };

  // --- operations ---

  // Closes a byte stream of ours, whose BYOB readers nobody else answers.
  const endBytes = (controller) => {
    try {
      byteClose(controller);
    } catch {
      // The stream has failed by that.
      return;
    }
    if (controller.stream.state === CLOSED && controller.pending.first !== null) respond(controller, 0);
  };

  const byteClose = (controller) => {
    if (!canCloseOrEnqueue(controller)) return;
    if (controller.queued > 0) {
      controller.closeRequested = true;
      return;
    }
    const { first } = controller.pending;
    if (first !== null && first.value.filled % first.value.kind.elementSize !== 0) {
      const error = new TypeError("This ReadableStream was closed with a partially filled element in a BYOB view.");
      byteError(controller, error);
      throw error;
    }
    forgetAlgorithms(controller);
    streamClose(controller.stream);
  };

  const byteError = (controller, error) => {
    if (controller.stream.state !== READABLE) return;
    dropRequest(controller);
    controller.pending.clear();
    resetQueue(controller);
    forgetAlgorithms(controller);
    streamError(controller.stream, error);
  };

  // Takes bytes whose buffer is the controller's own.
  const enqueueOwned = (controller, buffer, byteOffset, byteLength) => {
    const { stream } = controller;
    const { reader } = stream;
    if (reader === null) {
      enqueueChunk(controller, buffer, byteOffset, byteLength);
    } else if (!reader.byob) {
      while (controller.queued > 0 && reader.requests.first !== null) fillRequest(controller, reader.requests.shift());
      if (reader.requests.first === null) enqueueChunk(controller, buffer, byteOffset, byteLength);
      else {
        controller.pending.shift();
        reader.requests.shift().chunk(new Uint8Array(buffer, byteOffset, byteLength));
      }
    } else {
      enqueueChunk(controller, buffer, byteOffset, byteLength);
      commitAll(stream, fillPending(controller));
    }
    callPullIfNeeded(controller);
  };

  // Whether the sink that reads the stream has taken a chunk on the spot.
  const isTaken = (controller, view) => {
    const { reader } = controller.stream;
    if (reader === null || reader.sink === null || reader.requests.first === null || controller.queued > 0
        || controller.pending.first !== null || !canCloseOrEnqueue(controller) || typedArrayTag(view) !== "Uint8Array"
        || bufferResizable(typedArrayBuffer(view)) || !bodies.takeOver(reader.sink, view)) return false;
    // As in `controllerEnqueue`.
    if (!controller.pulling) callPullIfNeeded(controller);
    callPullIfNeeded(controller);
    return true;
  };

  const byteEnqueue = (controller, view, { buffer, byteOffset, byteLength } = viewOf(view)) => {
    if (!canCloseOrEnqueue(controller)) return;
    if (bufferDetached(buffer)) throw new TypeError("The chunk's buffer is detached.");
    const own = transfer(buffer);
    const { first } = controller.pending;
    if (first !== null) {
      const descriptor = first.value;
      if (bufferDetached(descriptor.buffer)) {
        throw new TypeError("The BYOB request's buffer is detached, and cannot be filled with the chunk.");
      }
      dropRequest(controller);
      descriptor.buffer = transfer(descriptor.buffer);
      if (descriptor.owner === NOBODY) enqueueOrphan(controller, descriptor);
    }
    enqueueOwned(controller, own, byteOffset, byteLength);
  };

  // Takes a Uint8Array that nobody else knows.
  const byteGive = (controller, chunk) => {
    const { reader } = controller.stream;
    if (controller.queued === 0 && controller.pending.first === null
        && reader !== null && !reader.byob && reader.requests.first !== null) {
      reader.requests.shift().chunk(chunk);
      callPullIfNeeded(controller);
      return;
    }
    const { first } = controller.pending;
    if (first !== null && first.value.owner === NOBODY) enqueueOrphan(controller, first.value);
    enqueueOwned(controller, typedArrayBuffer(chunk), typedArrayByteOffset(chunk), typedArrayByteLength(chunk));
  };

  const respondInternal = (controller, written) => {
    const descriptor = controller.pending.first.value;
    const { stream } = controller;
    dropRequest(controller);
    if (stream.state === CLOSED) {
      if (descriptor.owner === NOBODY) controller.pending.shift();
      const { reader } = stream;
      if (reader !== null && reader.byob) {
        const filled = new Queue();
        for (let link = reader.requests.first; link !== null; link = link.next) filled.push(controller.pending.shift());
        commitAll(stream, filled);
      }
    } else {
      descriptor.filled += written;
      if (descriptor.owner === NOBODY) {
        enqueueOrphan(controller, descriptor);
        commitAll(stream, fillPending(controller));
      } else if (descriptor.filled >= descriptor.minimum) {
        controller.pending.shift();
        const excess = descriptor.filled % descriptor.kind.elementSize;
        if (excess > 0) {
          enqueueClone(controller, descriptor.buffer, descriptor.byteOffset + descriptor.filled - excess, excess);
        }
        descriptor.filled -= excess;
        const filled = fillPending(controller);
        commit(stream, descriptor);
        commitAll(stream, filled);
      }
    }
    callPullIfNeeded(controller);
  };

  const respond = (controller, written) => {
    const descriptor = controller.pending.first.value;
    if (controller.stream.state === CLOSED) {
      if (written !== 0) throw new TypeError("bytesWritten must be zero after the stream is closed.");
    } else {
      if (written === 0) throw new TypeError("Too few bytes written in response to a BYOB read request.");
      if (descriptor.filled + written > descriptor.byteLength) {
        throw new RangeError("Too many bytes written in response to a BYOB read request.");
      }
    }
    descriptor.buffer = transfer(descriptor.buffer);
    respondInternal(controller, written);
  };

  const respondWithNewView = (controller, { buffer, byteOffset, byteLength }) => {
    const descriptor = controller.pending.first.value;
    if (controller.stream.state === CLOSED) {
      if (byteLength !== 0) throw new TypeError("The view must be empty after the stream is closed.");
    } else if (byteLength === 0) {
      throw new TypeError("The view must not be empty while the stream is readable.");
    }
    if (descriptor.byteOffset + descriptor.filled !== byteOffset) {
      throw new RangeError("The view does not begin where the BYOB request's view does.");
    }
    if (descriptor.bufferByteLength !== bufferByteLength(buffer)) {
      throw new RangeError("The view's buffer differs in length from that of the BYOB request's view.");
    }
    if (descriptor.filled + byteLength > descriptor.byteLength) {
      throw new RangeError("The view is longer than the BYOB request's view.");
    }
    descriptor.buffer = transfer(buffer);
    respondInternal(controller, byteLength);
  };

  const pushDescriptor = (controller, buffer, byteOffset, byteLength, kind, minimum, owner) => {
    controller.pending.push({
      buffer, bufferByteLength: bufferByteLength(buffer), byteOffset, byteLength, filled: 0, kind, minimum, owner,
    });
  };

  // A BYOB read of at least `minimum` elements into what `view` (see `viewOf`) shows.
  const readerReadInto = (reader, view, minimum, request) => {
    const { stream } = reader;
    stream.disturbed = true;
    if (stream.state !== READABLE && stream.state !== CLOSED) {
      request.error(stream.error);
      return;
    }
    const { controller } = stream;
    const { kind, byteOffset, byteLength } = view;
    let buffer;
    try {
      buffer = transfer(view.buffer);
    } catch (error) {
      request.error(error);
      return;
    }
    if (controller.pending.first === null) {
      if (stream.state === CLOSED) {
        request.close(new kind.make(buffer, byteOffset, 0));
        return;
      }
      if (controller.queued > 0) {
        const descriptor = {
          buffer, bufferByteLength: 0, byteOffset, byteLength, filled: 0, kind, minimum: minimum * kind.elementSize, owner: BYOB,
        };
        if (fill(controller, descriptor)) {
          const filled = viewFilled(descriptor);
          drained(controller);
          request.chunk(filled);
          return;
        }
        if (controller.closeRequested) {
          const error = new TypeError("This ReadableStream was closed with too few bytes for an element of the BYOB view.");
          byteError(controller, error);
          request.error(error);
          return;
        }
        descriptor.bufferByteLength = bufferByteLength(buffer);
        controller.pending.push(descriptor);
        reader.requests.push(request);
        callPullIfNeeded(controller);
        return;
      }
    }
    pushDescriptor(controller, buffer, byteOffset, byteLength, kind, minimum * kind.elementSize, BYOB);
    reader.requests.push(request);
    if (controller.pending.first.next === null) callPullIfNeeded(controller);
  };

  const steps = {
    __proto__: null,
    pull(controller, request) {
      if (controller.queued > 0) {
        fillRequest(controller, request);
        return;
      }
      const size = controller.autoAllocate;
      if (size !== undefined) {
        let buffer;
        try {
          buffer = new ArrayBuffer(size);
        } catch (error) {
          request.error(error);
          return;
        }
        pushDescriptor(controller, buffer, 0, size, uint8, 1, DEFAULT);
      }
      controller.stream.reader.requests.push(request);
      callPullIfNeeded(controller);
    },
    cancel(controller, reason) {
      dropRequest(controller);
      controller.pending.clear();
      resetQueue(controller);
      const { stream, cancel } = controller;
      let result = done;
      if (cancel !== null) result = cancel(reason);
      else if (stream.native !== null) bodies.cancel(stream.native);
      forgetAlgorithms(controller);
      return result;
    },
    release(controller) {
      const { first } = controller.pending;
      if (first === null) return;
      first.value.owner = NOBODY;
      controller.pending.clear();
      controller.pending.push(first.value);
    },
  };

  // --- the classes ---

  // What user code may respond to, once for each descriptor.
  const byobRequest = (controller) => {
    const { first } = controller.pending;
    if (controller.request === null && first !== null) {
      const { buffer, byteOffset, byteLength, filled } = first.value;
      const request = {
        object: null, controller, view: new Uint8Array(buffer, byteOffset + filled, byteLength - filled),
      };
      controller.request = request;
      new ReadableStreamBYOBRequest(INTERNAL, request);
    }
    return controller.request;
  };

  const requireView = (value, operation) => {
    if (!isView(value)) throw new TypeError(`Failed to execute '${operation}': parameter 1 is not of type 'ArrayBufferView'.`);
    return value;
  };

  class ReadableStreamBYOBRequest {
    #request;
    static #of(value) {
      if (!isObject(value) || !(#request in value)) throw illegal();
      return value.#request;
    }
    constructor(token = undefined, request = undefined) {
      if (token !== INTERNAL) throw new TypeError("Illegal constructor");
      this.#request = request;
      request.object = this;
    }
    get view() { return ReadableStreamBYOBRequest.#of(this).view; }
    respond(bytesWritten) {
      const request = ReadableStreamBYOBRequest.#of(this);
      requireArguments(arguments.length, 1, "respond' on 'ReadableStreamBYOBRequest", "number");
      const written = enforceUnsigned(bytesWritten, "The number of bytes written");
      if (request.controller === null) throw new TypeError("This ReadableStreamBYOBRequest has been invalidated.");
      if (bufferDetached(typedArrayBuffer(request.view))) throw new TypeError("The BYOB request's buffer is detached.");
      respond(request.controller, written);
    }
    respondWithNewView(view) {
      const request = ReadableStreamBYOBRequest.#of(this);
      const shape = viewOf(requireView(view, "respondWithNewView' on 'ReadableStreamBYOBRequest"));
      if (request.controller === null) throw new TypeError("This ReadableStreamBYOBRequest has been invalidated.");
      if (bufferDetached(shape.buffer)) throw new TypeError("The view's buffer is detached.");
      respondWithNewView(request.controller, shape);
    }
  }

  class ReadableByteStreamController {
    #controller;
    static #of(value) {
      if (!isObject(value) || !(#controller in value)) throw illegal();
      return value.#controller;
    }
    constructor(token = undefined, controller = undefined) {
      if (token !== INTERNAL) throw new TypeError("Illegal constructor");
      this.#controller = controller;
      controller.object = this;
    }
    get byobRequest() {
      const request = byobRequest(ReadableByteStreamController.#of(this));
      return request === null ? null : request.object;
    }
    get desiredSize() { return desiredSize(ReadableByteStreamController.#of(this)); }
    close() {
      const controller = ReadableByteStreamController.#of(this);
      if (!canCloseOrEnqueue(controller)) throw new TypeError("This ReadableStream is closed.");
      byteClose(controller);
    }
    enqueue(chunk) {
      const controller = ReadableByteStreamController.#of(this);
      requireView(chunk, "enqueue' on 'ReadableByteStreamController");
      if (isTaken(controller, chunk)) return;
      const shape = viewOf(chunk);
      const { buffer, byteLength } = shape;
      if (byteLength === 0) throw new TypeError("The chunk must not be empty.");
      if (bufferByteLength(buffer) === 0) throw new TypeError("The chunk's buffer must not be empty.");
      if (!canCloseOrEnqueue(controller)) throw new TypeError("Unable to enqueue");
      byteEnqueue(controller, chunk, shape);
    }
    error(error = undefined) { byteError(ReadableByteStreamController.#of(this), error); }
  }

  expose(ReadableStreamBYOBRequest, "ReadableStreamBYOBRequest");
  expose(ReadableByteStreamController, "ReadableByteStreamController");

  const { streams } = shared;
  streams.byobRequest = byobRequest;
  streams.byteClose = byteClose;
  streams.byteEnqueue = byteEnqueue;
  streams.byteError = byteError;
  streams.byteGive = byteGive;
  streams.endBytes = endBytes;
  streams.newByteController = newByteController;
  streams.newByteControllerObject = (controller) => new ReadableByteStreamController(INTERNAL, controller);
  streams.readerReadInto = readerReadInto;
  streams.respond = respond;
  streams.respondWithNewView = respondWithNewView;
  streams.setNative = setNative;
  streams.startByteController = startByteController;
  streams.startedByteStream = startedByteStream;
})
