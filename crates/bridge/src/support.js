// What the bridge does in JavaScript: PythonError, and small functions that the C interface of the engine lacks. Runs
// once, before any user code; `classesOfProxies` is the function of `pyproxy/classes.js`, `native` holds Rust functions.
(function (classesOfProxies, native) {
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
  const slice = uncurry(String.prototype.slice);
  const getter = (prototype, name) => uncurry(Object.getOwnPropertyDescriptor(prototype, name).get);
  const typedArray = getPrototypeOf(Uint8Array.prototype);
  const [viewBuffer, viewOffset, viewLength] =
    ["buffer", "byteOffset", "byteLength"].map((name) => getter(DataView.prototype, name));
  const [arrayBuffer, arrayOffset, arrayLength] =
    ["buffer", "byteOffset", "byteLength"].map((name) => getter(typedArray, name));
  const { apply } = Reflect;
  const { isArray } = Array;

  const errorClasses = create(null);
  for (const name of ["EvalError", "RangeError", "ReferenceError", "SyntaxError", "TypeError", "URIError"]) {
    errorClasses[name] = globalThis[name];
  }
  const DOMException = globalThis.DOMException;

  const hide = (object, name, value) =>
    defineProperty(object, name, { __proto__: null, value, writable: true, configurable: true, enumerable: false });

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
      this.__error_address = address;
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
        defineProperty(this, "message",
          { __proto__: null, value, writable: true, configurable: true, enumerable: true });
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

  const M = native.methods;
  const { define, ...proxies } = classesOfProxies(native, PythonError);

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
      text[0] === "-" ? -BigInt(slice(text, 1)) : BigInt(text),
    bigint_to_hex: (value) => bigintToString(value, 16),
    PythonError, python_error_key, read_message, write_message, Error, make_error, describe_thrown, property_names,
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
    ...proxies,
  };
})
