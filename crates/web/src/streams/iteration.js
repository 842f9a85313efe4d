// Asynchronous iteration of a ReadableStream: https://streams.spec.whatwg.org/#rs-asynciterator
(function (native, shared) {
  "use strict";

  const { WeakMap, create, getPrototypeOf, setPrototypeOf, weakMapGet, weakMapSet } = shared.primordials;
  const { tag } = shared.webidl;
  const { deferred, rejected, resolved, then } = shared.promises;
  const { illegal, isObject } = shared.streamArguments;
  const { readerRead, readerRelease, streamCancel } = shared.streams;
  const AsyncIteratorPrototype = getPrototypeOf(getPrototypeOf((async function* () {}).prototype));

  const iteratorStates = new WeakMap();
  const iteratorState = (object) => (isObject(object) ? weakMapGet(iteratorStates, object) : undefined);

  const pass = (result) => result;

  const iteratorNext = (state) => {
    if (state.finished) return resolved({ value: undefined, done: true });
    const { promise, resolve, reject } = deferred();
    readerRead(state.reader, {
      chunk(value) {
        state.ongoing = null;
        resolve({ value, done: false });
      },
      close() {
        state.ongoing = null;
        state.finished = true;
        readerRelease(state.reader);
        resolve({ value: undefined, done: true });
      },
      error(reason) {
        state.ongoing = null;
        state.finished = true;
        readerRelease(state.reader);
        reject(reason);
      },
    });
    // The reaction that Web IDL has here lets the source go on before the caller does.
    return then(promise, pass);
  };

  const iteratorReturn = (state, value) => {
    if (state.finished) return resolved({ value, done: true });
    state.finished = true;
    const { reader } = state;
    const result = state.preventCancel ? resolved(undefined) : streamCancel(reader.stream, value);
    readerRelease(reader);
    return then(result, () => ({ value, done: true }));
  };

  const afterOngoing = (state, step) => {
    const promise = state.ongoing === null ? step() : then(state.ongoing, step, step);
    state.ongoing = promise;
    return promise;
  };

  const ReadableStreamAsyncIteratorPrototype = {
    next() {
      const state = iteratorState(this);
      if (state === undefined) return rejected(illegal());
      return afterOngoing(state, () => iteratorNext(state));
    },
    return(value) {
      const state = iteratorState(this);
      if (state === undefined) return rejected(illegal());
      return afterOngoing(state, () => iteratorReturn(state, value));
    },
  };
  setPrototypeOf(ReadableStreamAsyncIteratorPrototype, AsyncIteratorPrototype);
  tag(ReadableStreamAsyncIteratorPrototype, "ReadableStream AsyncIterator");

  shared.streams.iterate = (reader, preventCancel) => {
    const iterator = create(ReadableStreamAsyncIteratorPrototype);
    weakMapSet(iteratorStates, iterator, { reader, preventCancel, ongoing: null, finished: false });
    return iterator;
  };
})
