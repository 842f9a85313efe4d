// WritableStreamDefaultController: https://streams.spec.whatwg.org/#ws-default-controller-class
(function (native, shared) {
  "use strict";

  const { TypeError } = shared.primordials;
  const { expose } = shared.webidl;
  const { done, promiseOf, react, then } = shared.promises;
  const { Queue, dequeueSized, enqueueSized, resetQueue } = shared.queues;
  const { INTERNAL, illegal, isObject } = shared.streamArguments;
  const { abort: abortSignal, newSignal } = shared.events;
  const {
    ERRORING, WRITABLE, dealWithRejection, failClose, failWrite, finishClose, finishErroring, finishWrite,
    isClosing, startErroring, updateBackpressure,
  } = shared.writables;

  // What stands for the close in a queue.
  const CLOSE = { __proto__: null };

  // `write`, `close` and `abort` return promises; `size` is null for the strategy that counts.
  class Controller {
    // Declared, so that no setter of Object.prototype is asked.
    stream;
    highWaterMark;
    size;
    write;
    close;
    abort;
    written;
    failed;
    object = null;
    started = false;
    chunks = new Queue();
    queued = 0;
    // Made when somebody asks for it.
    signal = null;
    aborted = false;
    abortReason = undefined;

    constructor(stream, highWaterMark, size, write, close, abort) {
      this.stream = stream;
      this.highWaterMark = highWaterMark;
      this.size = size;
      this.write = write;
      this.close = close;
      this.abort = abort;
      this.written = () => { this.finishWritten(); };
      this.failed = (error) => {
        if (stream.state === WRITABLE) this.forgetAlgorithms();
        failWrite(stream, error);
      };
      stream.controller = this;
      stream.backpressure = highWaterMark <= 0;
    }

    get desiredSize() { return this.highWaterMark - this.queued; }

    forgetAlgorithms() { this.write = this.close = this.abort = this.size = null; }

    forgetQueue() { resetQueue(this); }

    runAbort(reason) {
      const result = this.abort(reason);
      this.forgetAlgorithms();
      return result;
    }

    signalAbort(reason) {
      if (this.aborted) return;
      this.aborted = true;
      this.abortReason = reason;
      if (this.signal !== null) abortSignal(this.signal, reason);
    }

    getSignal() {
      if (this.signal === null) {
        this.signal = newSignal();
        if (this.aborted) abortSignal(this.signal, this.abortReason);
      }
      return this.signal;
    }

    sizeOf(chunk) {
      const { size } = this;
      if (size === null) return 1;
      try {
        return size(chunk);
      } catch (error) {
        this.failIfWritable(error);
        return 1;
      }
    }

    queueWrite(chunk, size) {
      try {
        enqueueSized(this, chunk, size);
      } catch (error) {
        this.failIfWritable(error);
        return;
      }
      const { stream } = this;
      if (!isClosing(stream) && stream.state === WRITABLE) updateBackpressure(stream, this.queued >= this.highWaterMark);
      this.advance();
    }

    queueClose() {
      this.chunks.push(CLOSE, 0);
      this.advance();
    }

    // Gives the sink what comes next, if it is idle.
    advance() {
      const { stream } = this;
      if (!this.started || stream.writing !== null || stream.closing !== null) return;
      if (stream.state === ERRORING) {
        finishErroring(stream);
        return;
      }
      const { first } = this.chunks;
      if (first === null) return;
      if (first.value === CLOSE) {
        stream.closing = stream.closeRequest;
        stream.closeRequest = null;
        dequeueSized(this);
        const result = this.close();
        this.forgetAlgorithms();
        then(result, () => { finishClose(stream); }, (error) => { failClose(stream, error); });
        return;
      }
      stream.writing = stream.writes.shift();
      react(this.write(first.value), this.written, this.failed);
    }

    finishWritten() {
      const { stream } = this;
      finishWrite(stream);
      dequeueSized(this);
      if (stream.closeRequest === null && stream.closing === null && stream.state === WRITABLE) {
        updateBackpressure(stream, this.queued >= this.highWaterMark);
        if (this.chunks.first === null) return;
      }
      this.advance();
    }

    fail(error) {
      this.forgetAlgorithms();
      startErroring(this.stream, error);
    }

    failIfWritable(error) {
      if (this.stream.state === WRITABLE) this.fail(error);
    }
  }

  const startController = (controller, result) => {
    const { stream } = controller;
    then(result === undefined ? done : promiseOf(result), () => {
      controller.started = true;
      controller.advance();
    }, (error) => {
      controller.started = true;
      dealWithRejection(stream, error);
    });
  };

  class WritableStreamDefaultController {
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
    get signal() { return WritableStreamDefaultController.#of(this).getSignal(); }
    error(error = undefined) { WritableStreamDefaultController.#of(this).failIfWritable(error); }
  }

  expose(WritableStreamDefaultController, "WritableStreamDefaultController");

  const { writables } = shared;
  writables.newController = (stream, highWaterMark, size, write, close, abort) =>
    new Controller(stream, highWaterMark, size, write, close, abort);
  writables.newControllerObject = (controller) => new WritableStreamDefaultController(INTERNAL, controller);
  writables.startController = startController;
})
