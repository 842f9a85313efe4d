// What the bridge does in JavaScript: prototypes of PyProxies, PythonError, and small functions that
// the C interface of the engine lacks. Runs once, before any user code; `native` holds Rust functions.
(function (native) {
  "use strict";
  const { Object, Array, BigInt, Error, Symbol, String, Function, TypeError, Promise } = globalThis;
  const { Map, Set, DataView, Uint8Array } = globalThis;
  const { create, defineProperty, getPrototypeOf, getOwnPropertyDescriptor, getOwnPropertyNames } = Object;
  const uncurry = (method) => Function.prototype.call.bind(method);
  const bigintToString = uncurry(BigInt.prototype.toString);
  const objectToString = uncurry(Object.prototype.toString);
  const has = uncurry(Object.prototype.hasOwnProperty);
  const mapForEach = uncurry(Map.prototype.forEach);
  const setAdd = uncurry(Set.prototype.add);
  const setForEach = uncurry(Set.prototype.forEach);
  const getter = (prototype, name) => uncurry(Object.getOwnPropertyDescriptor(prototype, name).get);
  const typedArray = getPrototypeOf(Uint8Array.prototype);
  const [viewBuffer, viewOffset, viewLength] =
    ["buffer", "byteOffset", "byteLength"].map((name) => getter(DataView.prototype, name));
  const [arrayBuffer, arrayOffset, arrayLength] =
    ["buffer", "byteOffset", "byteLength"].map((name) => getter(typedArray, name));
  const { apply, ownKeys } = Reflect;
  const { isArray } = Array;

  const errorClasses = create(null);
  for (const name of ["EvalError", "RangeError", "ReferenceError", "SyntaxError", "TypeError", "URIError"]) {
    errorClasses[name] = globalThis[name];
  }
  const DOMException = globalThis.DOMException;

  const hide = (object, name, value) =>
    defineProperty(object, name, { value, writable: true, configurable: true, enumerable: false });

  const python_error_key = {};
  let read_message, write_message;
  class PythonError extends Error {
    // What the message is made of when it is first read: then the message itself.
    #kept;
    constructor(type, message, address, key = undefined, kept = undefined) {
      super(message);
      if (key === python_error_key) {
        // Native code adds the rest, the message with the accessors below.
        this.#kept = kept;
        return;
      }
      this.type = type;
      defineProperty(this, "__error_address", { value: address, configurable: true });
    }

    // The message passes for a data property: reading makes it one, and so does assigning.
    static { [read_message, write_message] = [PythonError.#read, PythonError.#write]; }
    static #read() {
      for (let at = this; typeof at === "object" && at !== null; at = getPrototypeOf(at)) {
        if (!(#kept in at) || at.#kept === undefined) continue;
        if (typeof at.#kept !== "string") at.#kept = native.formatKept(at.#kept);
        const own = getOwnPropertyDescriptor(at, "message");
        if (own?.get === read_message && own.configurable) hide(at, "message", at.#kept);
        return at.#kept;
      }
    }
    static #write(value) {
      if (typeof this !== "object" || this === null) return;
      if (#kept in this) {
        hide(this, "message", value);
        this.#kept = undefined;
      } else {
        defineProperty(this, "message", { value, writable: true, configurable: true, enumerable: true });
      }
    }
  }
  hide(PythonError.prototype, "name", "PythonError");

  function make_error(name, message = "", stack = undefined) {
    let error;
    if (has(errorClasses, name)) {
      error = new errorClasses[name](message);
    } else if (name === "DOMException" && DOMException !== undefined) {
      error = new DOMException(message);
    } else {
      error = new Error(message);
      hide(error, "name", name);
    }
    if (stack !== undefined && stack !== "") hide(error, "stack", stack);
    return error;
  }

  function describe_thrown(value) {
    if (typeof value === "string") return new Error(value);
    let tag = "[object Object]"; // of what has none: a revoked Proxy
    let interpolated = "fails", method = "fails";
    try { tag = objectToString(value); } catch (error) { /* stays */ }
    try { interpolated = `gives """${value}"""`; } catch (error) { /* stays */ }
    try { method = `returns """${value.toString()}"""`; } catch (error) { /* stays */ }
    return new Error(
      `A value of type ${typeof value} with tag ${tag} was thrown as an error!\n` +
      `String interpolation of the thrown value ${interpolated}.\n` +
      `The thrown value's toString method ${method}.`);
  }

  // Not always a string: Python says so then.
  function to_string(value) {
    if (typeof value === "symbol") return String(value);
    let method;
    try { method = value.toString; } catch (error) { /* as if it had none */ }
    return typeof method === "function" ? apply(method, value, []) : objectToString(value);
  }

  const ELEMENT = /HTML[A-Za-z]*Element/;
  const { test } = ELEMENT;

  function property_names(object) {
    const names = [];
    for (let at = object; at !== null && at !== undefined; at = getPrototypeOf(at)) {
      const own = getOwnPropertyNames(at);
      for (let index = 0; index < own.length; index++) names[names.length] = own[index];
    }
    return names;
  }

  // ---- prototypes of PyProxies, by features

  const F = native.features;
  const M = native.methods;
  const define = (target, source) => {
    const keys = ownKeys(source);
    for (let at = 0; at < keys.length; at++) {
      const key = keys[at], descriptor = getOwnPropertyDescriptor(source, key);
      descriptor.enumerable = false;
      defineProperty(target, key, descriptor);
    }
    return target;
  };

  const base = {
    get type() { return native.type(this); },
    toString: M.toString,
    destroy: M.destroy,
    copy: M.copy,
    toJs(options) { return native.toJs(this, options ?? {}); },
    get [Symbol.toStringTag]() { return "PyProxy"; },
  };
  if (Symbol.dispose) base[Symbol.dispose] = base.destroy;

  const callOptions = (self, thisArgument, args, { kwargs = false, relaxed = false, promising = false }) => {
    let named;
    if (kwargs) {
      if (args.length === 0) {
        throw new TypeError("callKwargs requires at least one argument (the key word argument object)");
      }
      named = args[args.length - 1];
      if (named === null || typeof named !== "object" ||
          (named.constructor !== undefined && named.constructor.name !== "Object")) {
        throw new TypeError("kwargs argument is not an object");
      }
      args = args.slice(0, -1);
    }
    const result = native.call(self, args, named, relaxed, promising);
    return promising ? native.promise(result) : result;
  };

  const async = {
    then(onfulfilled, onrejected) { return native.promise(this).then(onfulfilled, onrejected); },
    catch(onrejected) { return native.promise(this).then(undefined, onrejected); },
    finally(onfinally) { return native.promise(this).finally(onfinally); },
  };

  // What iterables are iterated with passes for a generator.
  const iteration_prototype = define(create(getPrototypeOf(function* () {}).prototype), {
    next: M.iterationNext, return: M.iterationReturn, throw: M.iterationThrow,
  });

  const asyncIterate = async function* (self) {
    const iterator = native.asyncIterator(self);
    try {
      for (;;) {
        const step = await native.asyncNext(iterator, undefined);
        if (step.done) return;
        yield step.value;
      }
    } finally {
      native.destroy(iterator);
    }
  };

  const sequence = {};
  for (const name of ["join", "slice", "lastIndexOf", "indexOf", "forEach", "map", "filter", "some", "every",
    "reduce", "reduceRight", "at", "concat", "includes", "entries", "keys", "values", "find", "findIndex"]) {
    const method = Array.prototype[name];
    sequence[name] = { [name](...args) { return apply(method, this, args); } }[name];
  }
  sequence.toJSON = function toJSON() { return apply(Array.prototype.slice, this, []); };
  defineProperty(sequence, Symbol.isConcatSpreadable, { get() { return true; } });

  const mutable = {
    reverse() { native.method(this, "reverse"); return this; },
    push(...items) { for (const item of items) native.method(this, "append", item); return this.length; },
    unshift(...items) {
      items.forEach((item, index) => native.method(this, "insert", index, item));
      return this.length;
    },
    pop() { return this.length === 0 ? undefined : native.method(this, "pop"); },
    shift() { return this.length === 0 ? undefined : native.method(this, "pop", 0); },
    splice(start, count, ...items) {
      const length = this.length;
      start = Math.trunc(start) || 0;
      start = start < 0 ? Math.max(length + start, 0) : Math.min(start, length);
      count = arguments.length < 2 ? length - start : Math.min(Math.max(Math.trunc(count) || 0, 0), length - start);
      const removed = apply(Array.prototype.slice, this, [start, start + count]);
      for (let index = 0; index < count; index++) native.method(this, "pop", start);
      items.forEach((item, index) => native.method(this, "insert", start + index, item));
      return removed;
    },
    sort(compare) {
      const sorted = apply(Array.prototype.slice, this, []).sort(compare);
      sorted.forEach((item, index) => native.set(this, index, item));
      return this;
    },
  };
  for (const name of ["copyWithin", "fill"]) {
    const method = Array.prototype[name];
    mutable[name] = { [name](...args) { return apply(method, this, args); } }[name];
  }

  const mixins = [
    [F.LENGTH, defineProperty({}, "length", { get: M.length, configurable: true })],
    [F.GET, { get: M.get }],
    [F.SET, { set: M.set, delete: M.delete }],
    [F.HAS, { has: M.has }],
    [F.ITERABLE, { [Symbol.iterator]: M.iterator }],
    [F.ITERATOR, { next: M.next, [Symbol.iterator]() { return this; } }],
    [F.GENERATOR, { throw: M.throw, return: M.return }],
    [F.ASYNC_ITERABLE, { [Symbol.asyncIterator]() { return asyncIterate(this); } }],
    [F.ASYNC_ITERATOR, { next(value) { return native.asyncNext(this, value); }, [Symbol.asyncIterator]() { return this; } }],
    [F.AWAITABLE, async],
    [F.BUFFER, { getBuffer(type) { return native.getBuffer(this, type); } }],
    [F.SEQUENCE, sequence],
    [F.MUTABLE_SEQUENCE, mutable],
    [F.CALLABLE, {
      call(thisArgument, ...args) { return callOptions(this, thisArgument, args, {}); },
      apply(thisArgument, args) { return callOptions(this, thisArgument, Array.from(args ?? []), {}); },
      bind(thisArgument, ...bound) {
        const self = this;
        return (...args) => callOptions(self, thisArgument, [...bound, ...args], {});
      },
      callKwargs(...args) { return callOptions(this, undefined, args, { kwargs: true }); },
      callRelaxed(...args) { return callOptions(this, undefined, args, { relaxed: true }); },
      callKwargsRelaxed(...args) { return callOptions(this, undefined, args, { relaxed: true, kwargs: true }); },
      callPromising(...args) { return callOptions(this, undefined, args, { promising: true }); },
      callPromisingKwargs(...args) { return callOptions(this, undefined, args, { promising: true, kwargs: true }); },
      callWithOptions(options, ...args) { return callOptions(this, undefined, args, options); },
    }],
  ];

  class PyProxy {
    constructor() { throw new TypeError("PyProxy is not a constructor"); }
    static [Symbol.hasInstance](value) { return native.isPyProxy(value); }
  }
  define(PyProxy.prototype, base);
  const callableBase = define(create(Function.prototype), base);
  // A proxy of a function must not look as if it had the name and length of a JavaScript function.
  for (const name of ["name", "length", "caller", "arguments"]) {
    defineProperty(callableBase, name, { value: undefined, writable: true, configurable: true });
    delete callableBase[name];
  }

  // What getBuffer() returns; the memory is given back by release(), or when nobody holds the data any more.
  const secret = {};
  class PyBufferView {
    #memory;
    constructor(key, memory, offset, readonly, format, itemsize, ndim, nbytes, shape, strides, data,
      c_contiguous, f_contiguous) {
      if (key !== secret) throw new TypeError("PyBufferView is not a constructor");
      this.#memory = memory;
      this.offset = offset;
      this.readonly = readonly;
      this.format = format;
      this.itemsize = itemsize;
      this.ndim = ndim;
      this.nbytes = nbytes;
      this.shape = shape;
      this.strides = strides;
      this.data = data;
      this.c_contiguous = c_contiguous;
      this.f_contiguous = f_contiguous;
    }
    release() {
      if (this.#memory === undefined) return;
      const memory = this.#memory;
      this.#memory = undefined;
      this.data = null;
      native.releaseBuffer(memory);
    }
  }
  if (Symbol.dispose) hide(PyBufferView.prototype, Symbol.dispose, PyBufferView.prototype.release);

  function prototype_for(features) {
    const prototype = create(features & F.CALLABLE ? callableBase : PyProxy.prototype);
    for (let at = 0; at < mixins.length; at++) {
      const feature = mixins[at][0], mixin = mixins[at][1];
      if (features & feature) define(prototype, mixin);
    }
    return prototype;
  }

  // A generator that goes on using the proxies made for its arguments: they live until it has ended.
  function generator_with(generator, asynchronous, proxies) {
    const message = `This borrowed proxy was automatically destroyed when ${asynchronous ? "an asynchronous" : "a"} ` +
      "generator completed execution. Try using create_proxy or create_once_callable.";
    const options = { __proto__: null, message, destroyRoundtrip: true };
    // What it returns goes home first.
    const end = (returned) => {
      for (let at = 0; at < proxies.length; at++) {
        if (proxies[at] !== returned) apply(M.destroy, proxies[at], [options]);
      }
      proxies = [];
    };
    const step = (name) => (value) => {
      let result;
      try { result = generator[name](value); } catch (error) { end(); throw error; }
      if (result.done) end(result.value);
      return result;
    };
    const stepAsync = (name) => async (value) => {
      let result;
      try { result = await generator[name](value); } catch (error) { end(); throw error; }
      if (result.done) end(result.value);
      return result;
    };
    const made = asynchronous ? stepAsync : step;
    const own = { next: made("next"), throw: made("throw"), return: made("return") };
    return define(create(getPrototypeOf(generator)), own);
  }

  return {
    generator_with,
    bigint_from_hex: (text) =>
      text[0] === "-" ? -BigInt(text.slice(1)) : BigInt(text),
    bigint_to_hex: (value) => bigintToString(value, 16),
    PythonError, python_error_key, read_message, write_message, Error, PyProxy, make_error, describe_thrown, prototype_for, property_names,
    object_keys: Object.keys, object_values: Object.values, object_entries: Object.entries,
    from_entries: Object.fromEntries, eval: globalThis.eval,
    array_values: Array.prototype.values,
    // The operations of Python's rich comparison, by their numbers.
    compare: (left, right, operation) => {
      switch (operation) {
        case 0: return left < right;
        case 1: return left <= right;
        case 4: return left > right;
        default: return left >= right;
      }
    },
    to_string,
    is_array: isArray,
    // Asks no Proxy by `in`: what counts is a property that can be shown.
    has_property: (object, name) => {
      for (let at = object; at !== null; at = getPrototypeOf(at)) {
        if (getOwnPropertyDescriptor(at, name) !== undefined) return true;
      }
      return false;
    },
    is_dom_exception: (value) => value.constructor.name === "DOMException",
    is_element: (value) => apply(test, ELEMENT, [objectToString(value)]),
    proxy_truth: (proxy) => {
      try {
        objectToString(proxy); // throws if it is revoked
        if (typeof proxy === "function") return true;
        return proxy.size !== 0 && !(isArray(proxy) && proxy.length === 0) && proxy.byteLength !== 0;
      } catch (error) {
        return false;
      }
    },
    delete_property: (object, name) => { delete object[name]; },
    is_plain_object: (value) => {
      const constructor = value.constructor;
      return constructor === undefined || constructor.name === "Object";
    },
    resolve: (value) => Promise.resolve(value),
    Object,
    make_set: (items) => {
      const set = new Set();
      for (let at = 0; at < items.length; at++) setAdd(set, items[at]);
      return set;
    },
    // Keys and values in turn.
    map_entries: (map) => {
      const entries = [];
      mapForEach(map, (value, key) => {
        entries[entries.length] = key;
        entries[entries.length] = value;
      });
      return entries;
    },
    set_values: (set) => {
      const values = [];
      setForEach(set, (value) => { values[values.length] = value; });
      return values;
    },
    becomes_dict: (value) => {
      if (objectToString(value) !== "[object Object]") return false;
      const constructor = value.constructor;
      return constructor === undefined || constructor.name === "Object";
    },
    data_view_parts: (view) => [viewBuffer(view), viewOffset(view), viewLength(view)],
    typed_array_parts: (array) => [arrayBuffer(array), arrayOffset(array), arrayLength(array)],
    make_data_view: (memory) => new DataView(memory),
    PyBufferView, buffer_view_key: secret, iteration_prototype,
  };
})
