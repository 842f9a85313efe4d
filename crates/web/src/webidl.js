// What Web IDL asks of every interface and operation: https://webidl.spec.whatwg.org/
(function (native, shared) {
  "use strict";

  const {
    Map, String, TypeError, Uint8Array, apply, bufferByteLength, bufferDetached, create, dataViewBuffer,
    dataViewByteLength, dataViewByteOffset, defineProperty, getOwnPropertyDescriptor, getPrototypeOf, isView,
    iteratorPrototype, mapGet, mapSet, ownKeys, sharedByteLength, symbolIterator, symbolToStringTag,
    toWellFormed, trunc, typedArrayBuffer, typedArrayByteLength, typedArrayByteOffset, typedArrayTag,
    uncurryThis,
  } = shared.primordials;

  // Prototype of each interface → its attributes, as [name, getter] pairs; for the inspector.
  const attributes = new Map();

  // `value` as a USVString: lone surrogates become U+FFFD. Throws for a symbol, as every conversion to a string.
  // Not by a template literal: the engine makes those with String.prototype.concat, which user code can replace.
  const usv = (value) => {
    if (typeof value === "string") return toWellFormed(value);
    if (typeof value === "symbol") throw new TypeError("cannot convert symbol to string");
    return toWellFormed(String(value));
  };

  // Throws unless an operation got at least `required` arguments. `type` is that of the first missing one.
  const requireArguments = (given, required, operation, type = "string") => {
    if (given < required) {
      throw new TypeError(`Failed to execute '${operation}': parameter ${given + 1} is not of type '${type}'.`);
    }
  };

  // The same for a constructor.
  const requireConstructorArguments = (given, required, name, type = "string") => {
    if (given < required) {
      throw new TypeError(`Failed to construct '${name}': constructor parameter ${given + 1} is not of type '${type}'.`);
    }
  };

  // A dictionary: undefined and null stand for the empty one, other primitives are refused.
  const dictionary = (value, what) => {
    if (value === undefined || value === null) return create(null);
    if (typeof value !== "object" && typeof value !== "function") {
      throw new TypeError(`${what} must be an object.`);
    }
    return value;
  };

  const isObject = (value) => (typeof value === "object" && value !== null) || typeof value === "function";

  // A sequence: what an iterable whose @@iterator is `method` yields, each item converted in its turn.
  const sequence = (iterable, method, convert) => {
    const iterator = apply(method, iterable, []);
    if (!isObject(iterator)) throw new TypeError("The iterator of the sequence is not an object.");
    const { next } = iterator;
    const list = [];
    for (;;) {
      const step = apply(next, iterator, []);
      if (!isObject(step)) throw new TypeError("An iterator result is not an object.");
      if (step.done) return list;
      list[list.length] = convert(step.value, list.length);
    }
  };

  // `[EnforceRange] unsigned long long`.
  const enforceUnsigned = (value, what) => {
    const number = trunc(+value);
    if (!(number >= 0 && number <= 9007199254740991)) {
      throw new TypeError(`${what} must be a non-negative safe integer.`);
    }
    return number + 0;
  };

  const isBuffer = (value) => {
    try {
      bufferByteLength(value);
      return true;
    } catch {
      try {
        sharedByteLength(value);
        return true;
      } catch {
        return false;
      }
    }
  };

  // Whether `buffer` is an ArrayBuffer that has no memory any more; a shared one cannot be detached.
  const isDetached = (buffer) => {
    try {
      return bufferDetached(buffer);
    } catch {
      return false;
    }
  };

  // The bytes that an object of another language lends, as a Uint8Array that nobody may write to or keep; undefined for
  // any other value.
  const { lent } = native;

  // The bytes of a BufferSource as an ArrayBuffer or a Uint8Array over the same memory, for
  // Rust to copy; undefined if `value` is no BufferSource. A detached one is empty.
  const bytes = (value) => {
    if (!isView(value)) {
      if (typeof value !== "object" || value === null) return undefined;
      if (!isBuffer(value)) return lent(value);
      return isDetached(value) ? new Uint8Array(0) : value;
    }
    const tag = typedArrayTag(value);
    if (tag === "Uint8Array") return typedArrayByteLength(value) === 0 ? new Uint8Array(0) : value;
    if (tag !== undefined) {
      const length = typedArrayByteLength(value);
      return length === 0
        ? new Uint8Array(0)
        : new Uint8Array(typedArrayBuffer(value), typedArrayByteOffset(value), length);
    }
    return new Uint8Array(dataViewBuffer(value), dataViewByteOffset(value), dataViewByteLength(value));
  };

  // Makes the string-named members of `object` enumerable, except those the language itself defines.
  const makeEnumerable = (object) => {
    const keys = ownKeys(object);
    for (let i = 0; i < keys.length; i++) {
      const key = keys[i];
      if (typeof key !== "string" || key === "constructor") continue;
      if (typeof object === "function" && (key === "prototype" || key === "name" || key === "length")) continue;
      const descriptor = getOwnPropertyDescriptor(object, key);
      descriptor.enumerable = true;
      defineProperty(object, key, descriptor);
    }
  };

  // A property of the global object: classes and namespaces are not enumerable, functions are.
  const defineGlobal = (name, value, enumerable) => {
    defineProperty(globalThis, name, { __proto__: null, value, writable: true, enumerable, configurable: true });
  };

  const tag = (prototype, name) => {
    defineProperty(prototype, symbolToStringTag, {
      __proto__: null, value: name, writable: false, enumerable: false, configurable: true,
    });
  };

  // Turns a class into an interface, without making it global.
  const interfaceOf = (constructor, name) => {
    const { prototype } = constructor;
    makeEnumerable(constructor);
    makeEnumerable(prototype);
    tag(prototype, name);
    const list = [];
    const keys = ownKeys(prototype);
    for (let i = 0; i < keys.length; i++) {
      const key = keys[i];
      if (typeof key !== "string") continue;
      const { get } = getOwnPropertyDescriptor(prototype, key);
      if (get !== undefined) list[list.length] = [key, uncurryThis(get)];
    }
    mapSet(attributes, prototype, list);
    return constructor;
  };

  // Turns a class into an interface and makes it a global.
  const expose = (constructor, name) => {
    interfaceOf(constructor, name);
    defineGlobal(name, constructor, false);
    return constructor;
  };

  // Whether a function is one of our classes, and none that extends them.
  const isInterface = (value) => {
    const descriptor = getOwnPropertyDescriptor(value, "prototype");
    return descriptor !== undefined && mapGet(attributes, descriptor.value) !== undefined;
  };

  // The name of the interface among an object's prototypes; undefined if none of ours is.
  const interfaceName = (object) => {
    for (let holder = getPrototypeOf(object); holder !== null && !native.isProxy(holder); holder = getPrototypeOf(holder)) {
      if (mapGet(attributes, holder) !== undefined) return getOwnPropertyDescriptor(holder, symbolToStringTag).value;
    }
    return undefined;
  };

  // The attributes of `object`'s interface and those it inherits from; undefined if none of ours is
  // among its prototypes.
  const attributesOf = (prototype) => {
    let list;
    for (let holder = prototype; holder !== null && !native.isProxy(holder); holder = getPrototypeOf(holder)) {
      const own = mapGet(attributes, holder);
      if (own === undefined) continue;
      if (list === undefined) list = [];
      for (let i = 0; i < own.length; i++) list[list.length] = own[i];
    }
    return list;
  };

  // Prototype of each iterable interface → its `pairAt`; for the inspector.
  const iterables = new Map();

  // The pairs of an object whose interface is iterable; undefined for any other.
  const pairsOf = (object) => {
    for (let holder = getPrototypeOf(object); holder !== null && !native.isProxy(holder); holder = getPrototypeOf(holder)) {
      const pairAt = mapGet(iterables, holder);
      if (pairAt === undefined) continue;
      const pairs = [];
      try {
        for (let i = 0, pair; (pair = pairAt(object, i)) !== undefined; i++) pairs[i] = pair;
      } catch {
        return undefined;
      }
      return pairs;
    }
    return undefined;
  };

  // Constants of an interface, on the constructor and on its prototype.
  const constants = (constructor, values) => {
    const names = ownKeys(values);
    for (let i = 0; i < names.length; i++) {
      const descriptor = {
        __proto__: null, value: values[names[i]], writable: false, enumerable: true, configurable: false,
      };
      defineProperty(constructor, names[i], descriptor);
      defineProperty(constructor.prototype, names[i], descriptor);
    }
  };

  // The iterators of an `iterable<key, value>`: entries, keys, values, forEach and @@iterator.
  // `pairAt(object, index)` brand-checks, and returns [key, value] or undefined past the end; since
  // it is asked anew at every step, the iteration is live.
  const makeIterable = (constructor, name, pairAt) => {
    mapSet(iterables, constructor.prototype, pairAt);
    class Iterator {
      #object;
      #kind;
      #index = 0;
      constructor(object, kind) {
        this.#object = object;
        this.#kind = kind;
      }
      next() {
        const object = this.#object;
        if (object === undefined) return { value: undefined, done: true };
        const pair = pairAt(object, this.#index++);
        if (pair === undefined) {
          this.#object = undefined;
          return { value: undefined, done: true };
        }
        const kind = this.#kind;
        return { value: kind === 0 ? pair[0] : kind === 1 ? pair[1] : pair, done: false };
      }
    }
    const { prototype } = Iterator;
    delete prototype.constructor;
    shared.primordials.setPrototypeOf(prototype, iteratorPrototype);
    makeEnumerable(prototype);
    tag(prototype, `${name} Iterator`);

    const methods = {
      entries() {
        pairAt(this, 0);
        return new Iterator(this, 2);
      },
      keys() {
        pairAt(this, 0);
        return new Iterator(this, 0);
      },
      values() {
        pairAt(this, 0);
        return new Iterator(this, 1);
      },
      forEach(callback, thisArg = undefined) {
        pairAt(this, 0);
        if (typeof callback !== "function") {
          throw new TypeError(`Failed to execute 'forEach' on '${name}': parameter 1 is not of type 'Function'.`);
        }
        for (let i = 0, pair; (pair = pairAt(this, i)) !== undefined; i++) {
          shared.primordials.apply(callback, thisArg, [pair[1], pair[0], this]);
        }
      },
    };
    const names = ownKeys(methods);
    for (let i = 0; i < names.length; i++) {
      defineProperty(constructor.prototype, names[i], getOwnPropertyDescriptor(methods, names[i]));
    }
    defineProperty(constructor.prototype, symbolIterator, {
      __proto__: null, value: methods.entries, writable: true, enumerable: false, configurable: true,
    });
    return Iterator;
  };

  shared.webidl = {
    __proto__: null,
    attributesOf, bytes, constants, defineGlobal, dictionary, enforceUnsigned, expose, interfaceName, interfaceOf, lent,
    isInterface, makeEnumerable, makeIterable, pairsOf, requireArguments, requireConstructorArguments, sequence, tag, usv,
  };
})
