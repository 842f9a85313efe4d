// ReadableStreamDefaultController: https://streams.spec.whatwg.org/#rs-default-controller-class
(function (native, shared) {
  "use strict";

  const { TypeError } = shared.primordials;
  const { expose } = shared.webidl;
  const { done, promiseOf, react, then } = shared.promises;
  const { Queue, dequeueSized, enqueueSized, resetQueue } = shared.queues;
  const { INTERNAL, illegal } = shared.streamArguments;
  const { CLOSED, ERRORED, READABLE, native: bytes, newStream, streamClose, streamError } = shared.streams;

  // `pull` and `cancel` return promises; `size` is null for the strategy that counts.
  const newController = (stream, highWaterMark, size, pull, cancel) => {
    const controller = {
      object: null,
      stream,
      steps,
      bytes: false,
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
      pulled: null,
      failed: null,
    };
    stream.controller = controller;
    return controller;
  };

  const startController = (controller, result) => {
    then(result === undefined ? done : promiseOf(result), () => {
      controller.started = true;
      callPullIfNeeded(controller);
    }, (error) => { controllerError(controller, error); });
  };

  // A stream for our own use: `pull` and `cancel` as above, started without user code.
  const startedStream = (highWaterMark, pull, cancel) => {
    const stream = newStream();
    startController(newController(stream, highWaterMark, null, pull, cancel), undefined);
    return stream;
  };

  const forgetAlgorithms = (controller) => {
    controller.pull = controller.cancel = controller.size = null;
  };

  const desiredSize = (controller) => {
    const { state } = controller.stream;
    if (state === ERRORED) return null;
    return state === CLOSED ? 0 : controller.highWaterMark - controller.queued;
  };

  const canCloseOrEnqueue = (controller) => !controller.closeRequested && controller.stream.state === READABLE;

  // Asked several times for each chunk, so that a call more would be felt.
  const shouldCallPull = (controller) => {
    if (!controller.started || controller.closeRequested) return false;
    const { reader, state } = controller.stream;
    return state === READABLE && (controller.highWaterMark - controller.queued > 0
      || (reader !== null && reader.requests.first !== null));
  };

  // Calls `pull`, and `again(controller)` after it if it was asked for meanwhile. The two reactions serve all pulls.
  const runPull = (controller, again, fail) => {
    controller.pulling = true;
    if (controller.pulled === null) {
      controller.pulled = () => {
        controller.pulling = false;
        if (controller.pullAgain) {
          controller.pullAgain = false;
          again(controller);
        }
      };
      controller.failed = (error) => { fail(controller, error); };
    }
    react(controller.pull(), controller.pulled, controller.failed);
  };

  const callPullIfNeeded = (controller) => {
    if (!shouldCallPull(controller)) return;
    if (controller.pulling) {
      controller.pullAgain = true;
      return;
    }
    runPull(controller, callPullIfNeeded, controllerError);
  };

  const controllerEnqueue = (controller, chunk) => {
    if (canCloseOrEnqueue(controller)) enqueueNow(controller, chunk);
  };

  // The same for a controller that can.
  const enqueueNow = (controller, chunk) => {
    const { stream } = controller;
    const { reader } = stream;
    if (reader !== null && reader.requests.first !== null) {
      if (reader.sink === null || !bytes.take(reader.sink, chunk)) reader.requests.shift().chunk(chunk);
      // What the request does after a chunk. Within a pull it would come to the same as below.
      else if (!controller.pulling) callPullIfNeeded(controller);
    } else {
      try {
        const { size } = controller;
        enqueueSized(controller, chunk, size === null ? 1 : size(chunk));
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
    if (controller.chunks.first === null) {
      forgetAlgorithms(controller);
      streamClose(controller.stream);
    }
  };

  const controllerError = (controller, error) => {
    if (controller.stream.state !== READABLE) return;
    resetQueue(controller);
    forgetAlgorithms(controller);
    streamError(controller.stream, error);
  };

  const steps = {
    __proto__: null,
    pull(controller, request) {
      if (controller.chunks.first === null) {
        controller.stream.reader.requests.push(request);
        callPullIfNeeded(controller);
        return;
      }
      const chunk = dequeueSized(controller);
      if (controller.closeRequested && controller.chunks.first === null) {
        forgetAlgorithms(controller);
        streamClose(controller.stream);
      } else {
        callPullIfNeeded(controller);
      }
      request.chunk(chunk);
    },
    cancel(controller, reason) {
      resetQueue(controller);
      const { cancel } = controller;
      const result = cancel === null ? done : cancel(reason);
      forgetAlgorithms(controller);
      return result;
    },
    release() {},
  };

  class ReadableStreamDefaultController {
    #controller;
    static #of(value) {
      if (typeof value !== "object" || value === null || !(#controller in value)) throw illegal();
      return value.#controller;
    }
    constructor(token = undefined, controller = undefined) {
      if (token !== INTERNAL) throw new TypeError("Illegal constructor");
      this.#controller = controller;
      controller.object = this;
    }
    get desiredSize() { return desiredSize(ReadableStreamDefaultController.#of(this)); }
    close() {
      const controller = ReadableStreamDefaultController.#of(this);
      if (!canCloseOrEnqueue(controller)) throw new TypeError("This ReadableStream is closed.");
      controllerClose(controller);
    }
    enqueue(chunk = undefined) {
      const controller = ReadableStreamDefaultController.#of(this);
      if (!canCloseOrEnqueue(controller)) throw new TypeError("Unable to enqueue");
      enqueueNow(controller, chunk);
    }
    error(error = undefined) { controllerError(ReadableStreamDefaultController.#of(this), error); }
  }

  expose(ReadableStreamDefaultController, "ReadableStreamDefaultController");

  const { streams } = shared;
  streams.canCloseOrEnqueue = canCloseOrEnqueue;
  streams.controllerClose = controllerClose;
  streams.controllerEnqueue = controllerEnqueue;
  streams.controllerError = controllerError;
  streams.desiredSize = desiredSize;
  streams.newController = newController;
  streams.newControllerObject = (controller) => new ReadableStreamDefaultController(INTERNAL, controller);
  streams.runPull = runPull;
  streams.shouldCallPull = shouldCallPull;
  streams.startController = startController;
  streams.startedStream = startedStream;
})
