// The state of a ReadableStream and of its readers: https://streams.spec.whatwg.org/#rs-abstract-ops
//
// A public object carries its internal state in a private field; everything else works on the states alone.
// `shared.streams` lends what works on states to the other scripts of this folder, each of which adds its part.
//
// A read request has the methods chunk(value), close() and error(reason); one for a BYOB reader gets the emptied
// view back in close(view). The two kinds of controllers have these `steps` in common: pull(controller, request),
// cancel(controller, reason), which gives a promise, and release(controller).
(function (native, shared) {
  "use strict";

  const { TypeError } = shared.primordials;
  const { Outcome, rejected, resolved, then } = shared.promises;
  const { Queue } = shared.queues;

  const READABLE = 0, CLOSED = 1, ERRORED = 2;

  const newStream = () => ({
    object: null,
    state: READABLE,
    error: undefined,
    disturbed: false,
    reader: null,
    controller: null,
    // The Rust body behind the stream, if there is one.
    native: null,
    // The length of all it gives, in bytes, where that is known and no Rust body knows it.
    length: undefined,
  });

  const isRequested = (stream) => stream.reader !== null && stream.reader.requests.first !== null;

  const streamClose = (stream) => {
    stream.state = CLOSED;
    const { reader } = stream;
    if (reader === null) return;
    reader.closed.resolve();
    // A BYOB reader's requests wait for their views.
    if (reader.byob) return;
    for (let request; (request = reader.requests.shift()) !== undefined;) request.close();
  };

  const failRequests = (reader, error) => {
    const { requests } = reader;
    reader.requests = new Queue();
    for (let request; (request = requests.shift()) !== undefined;) request.error(error);
  };

  const streamError = (stream, error) => {
    stream.state = ERRORED;
    stream.error = error;
    const { reader } = stream;
    if (reader === null) return;
    reader.closed.reject(error);
    failRequests(reader, error);
  };

  const nothing = () => undefined;

  const streamCancel = (stream, reason) => {
    stream.disturbed = true;
    if (stream.state === CLOSED) return resolved(undefined);
    if (stream.state === ERRORED) return rejected(stream.error);
    streamClose(stream);
    const { controller, reader } = stream;
    if (reader !== null && reader.byob) {
      const { requests } = reader;
      reader.requests = new Queue();
      for (let request; (request = requests.shift()) !== undefined;) request.close(undefined);
    }
    return then(controller.steps.cancel(controller, reason), nothing);
  };

  // --- readers ---

  // A reader with a `sink` (of `native_sink`) has one request, made again for each chunk, which writes it to that sink. What
  // the sink takes on the spot need not visit it: the request stays.

  const acquireReader = (stream, byob = false) => {
    if (stream.reader !== null) throw new TypeError("This ReadableStream is currently locked to a reader.");
    if (byob && !stream.controller.bytes) throw new TypeError("This ReadableStream does not support BYOB reads.");
    const reader = { stream, byob, closed: new Outcome(), requests: new Queue(), sink: null };
    if (stream.state === CLOSED) reader.closed.resolve();
    else if (stream.state === ERRORED) reader.closed.reject(stream.error);
    stream.reader = reader;
    return reader;
  };

  const readerRead = (reader, request) => {
    const { stream } = reader;
    stream.disturbed = true;
    if (stream.state === CLOSED) request.close();
    else if (stream.state === ERRORED) request.error(stream.error);
    else {
      const { controller } = stream;
      controller.steps.pull(controller, request);
    }
  };

  const released = () => new TypeError("This ReadableStream reader has been released.");

  const readerRelease = (reader) => {
    const { stream } = reader;
    if (stream === null) return;
    if (!reader.closed.pending) reader.closed = new Outcome();
    reader.closed.reject(released());
    const { controller } = stream;
    controller.steps.release(controller);
    stream.reader = null;
    reader.stream = null;
    failRequests(reader, released());
  };

  shared.streams = {
    __proto__: null,
    CLOSED, ERRORED, READABLE,
    acquireReader, isRequested, native, newStream, readerRead, readerRelease, released, streamCancel, streamClose, streamError,
  };
})
