// The parts of fetch that are more easily said in JavaScript: https://fetch.spec.whatwg.org/
(function (native, shared) {
  "use strict";

  const {
    DOMException, TypeError, apply, defineProperty, getOwnPropertyDescriptor, isArray, iteratorPrototype, ownKeys,
    objectPrototype, setPrototypeOf, symbolAsyncIterator, symbolIterator, uncurryThis,
  } = shared.primordials;
  const { tag } = shared.webidl;
  const streamFrom = shared.streams.from;
  const objectToString = objectPrototype.toString;
  const { AbortController, AbortSignal, Headers, URLSearchParams } = globalThis;

  const getter = (constructor, name) => uncurryThis(getOwnPropertyDescriptor(constructor.prototype, name).get);
  const signalOf = getter(AbortController, "signal");
  const isAborted = getter(AbortSignal, "aborted");
  const abort = uncurryThis(AbortController.prototype.abort);
  const searchParamsToString = uncurryThis(URLSearchParams.prototype.toString);

  // --- iteration of Headers: live, over what they are when a step is taken ---

  // The names and values as they stand, sorted anew only if the headers have changed.
  class View {
    #headers;
    #version;
    #flat;
    constructor(headers) {
      this.#headers = headers;
      this.#version = native.version(headers);
    }
    get flat() {
      const version = native.version(this.#headers);
      if (this.#flat === undefined || version !== this.#version) {
        this.#flat = native.flat(this.#headers);
        this.#version = version;
      }
      return this.#flat;
    }
  }

  setPrototypeOf(native.headersIterator, iteratorPrototype);
  tag(native.headersIterator, "Headers Iterator");

  const methods = {
    forEach(callback, thisArg = undefined) {
      const view = new View(this);
      if (typeof callback !== "function") {
        throw new TypeError("Failed to execute 'forEach' on 'Headers': parameter 1 is not of type 'function'.");
      }
      for (let i = 0, flat; i < (flat = view.flat).length; i += 2) apply(callback, thisArg, [flat[i + 1], flat[i], this]);
    },
  };
  for (const name in methods) {
    defineProperty(Headers.prototype, name, getOwnPropertyDescriptor(methods, name));
  }
  const { entries } = Headers.prototype;
  defineProperty(Headers.prototype, symbolIterator, {
    __proto__: null, value: entries, writable: true, enumerable: false, configurable: true,
  });

  // --- conversions ---

  const isObject = (value) => (typeof value === "object" && value !== null) || typeof value === "function";

  // What an iterable yields, as an array; `limit` items at most, and then one more than that as a sign of excess.
  const list = (iterable, method, limit) => {
    const iterator = apply(method, iterable, []);
    if (!isObject(iterator)) throw new TypeError("The iterator is not an object");
    const { next } = iterator;
    const items = [];
    while (items.length <= limit) {
      const result = apply(next, iterator, []);
      if (!isObject(result)) throw new TypeError("The iterator's result is not an object");
      if (result.done) return items;
      items[items.length] = result.value;
    }
    const close = iterator.return;
    if (close !== undefined && close !== null) apply(close, iterator, []);
    return items;
  };

  // Names and values in turn, of an object's own enumerable properties, as byte strings.
  const record = (object) => {
    const keys = ownKeys(object);
    const flat = [];
    for (let i = 0; i < keys.length; i++) {
      const descriptor = getOwnPropertyDescriptor(object, keys[i]);
      if (descriptor === undefined || !descriptor.enumerable) continue;
      const name = native.byteString(keys[i]);
      flat[flat.length] = name;
      flat[flat.length] = native.byteString(object[keys[i]]);
    }
    return flat;
  };

  // Names and values in turn, of an iterable of pairs.
  const pairs = (iterable, method) => {
    const outer = list(iterable, method, Infinity);
    const flat = [];
    for (let i = 0; i < outer.length; i++) {
      const pair = outer[i];
      const inner = isObject(pair) ? pair[symbolIterator] : undefined;
      if (inner === undefined || inner === null) {
        throw new TypeError("Incorrect type: the provided value is not of type 'Sequence'.");
      }
      const items = list(pair, inner, 2);
      if (items.length !== 2) {
        throw new TypeError("To initialize a Headers object from a sequence, each inner sequence must have exactly two elements.");
      }
      flat[flat.length] = items[0];
      flat[flat.length] = items[1];
    }
    return flat;
  };

  // Upstream takes an iterable of buffers for a body, unless it knows how to be a string; undefined for others.
  const bodyFromIterable = (value) => {
    if (!isArray(value) && value.toString !== objectToString) return undefined;
    const method = value[symbolAsyncIterator] ?? value[symbolIterator];
    return method === undefined || method === null ? undefined : streamFrom(value);
  };

  shared.fetch = {
    __proto__: null,
    bodyFromIterable,
    pairs,
    record,
    headersIterator: entries,
    newController: () => new AbortController(),
    signalOf,
    abort: (controller, message) => { abort(controller, new DOMException(message, "AbortError")); },
    isSignal(value) {
      try {
        isAborted(value);
        return true;
      } catch {
        return false;
      }
    },
    // The serialisation of a URLSearchParams, undefined for other values.
    searchParams(value) {
      try {
        return searchParamsToString(value);
      } catch {
        return undefined;
      }
    },
  };
})
