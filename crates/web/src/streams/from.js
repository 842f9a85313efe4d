// ReadableStream.from: https://streams.spec.whatwg.org/#rs-from
(function (native, shared) {
  "use strict";

  const { TypeError, apply, symbolAsyncIterator, symbolIterator } = shared.primordials;
  const { String } = globalThis;
  const { later, own, rejected, resolved, then } = shared.promises;
  const { isObject } = shared.streamArguments;
  const { controllerClose, controllerEnqueue, objectOf, startedStream } = shared.streams;

  const method = (object, key) => {
    const value = object[key];
    if (value === undefined || value === null) return undefined;
    if (typeof value !== "function") throw new TypeError(`${String(key)} is not a function`);
    return value;
  };

  shared.streams.from = (iterable) => {
    if (!isObject(iterable)) {
      throw new TypeError("Failed to execute 'from' on 'ReadableStream': parameter 1 is not iterable.");
    }
    let getIterator = method(iterable, symbolAsyncIterator);
    const sync = getIterator === undefined;
    if (sync) getIterator = method(iterable, symbolIterator);
    if (getIterator === undefined) {
      throw new TypeError("Failed to execute 'from' on 'ReadableStream': parameter 1 is not iterable.");
    }
    const iterator = apply(getIterator, iterable, []);
    if (!isObject(iterator)) throw new TypeError("The iterator is not an object");
    const { next } = iterator;

    // The iterator of a synchronous iterable may hand out promises; they are waited for.
    const settle = (result) => {
      if (!isObject(result)) throw new TypeError("The iterator's result is not an object");
      if (!sync) return result;
      const { done, value } = result;
      return then(resolved(value), (value) => ({ done, value }));
    };
    const pull = () => {
      let result;
      try {
        result = apply(next, iterator, []);
        if (sync) result = settle(result);
      } catch (error) {
        return rejected(error);
      }
      // Each chunk needs this one promise: its controller's reactions are called without another.
      const { controller } = stream;
      const failed = (error) => { later(() => { controller.failed(error); }); };
      then(resolved(result), (result) => {
        try {
          if (!isObject(result)) throw new TypeError("The iterator's result is not an object");
          if (result.done) controllerClose(controller);
          else controllerEnqueue(controller, result.value);
        } catch (error) {
          failed(error);
          return;
        }
        later(controller.pulled);
      }, failed);
      return own;
    };
    const cancel = (reason) => {
      let result;
      try {
        const close = method(iterator, "return");
        if (close === undefined) return resolved(undefined);
        result = apply(close, iterator, [reason]);
        if (sync) result = settle(result);
      } catch (error) {
        return rejected(error);
      }
      return then(resolved(result), (result) => {
        if (!isObject(result)) throw new TypeError("The iterator's result is not an object");
      });
    };
    const stream = startedStream(0, pull, cancel);
    return objectOf(stream);
  };
})
