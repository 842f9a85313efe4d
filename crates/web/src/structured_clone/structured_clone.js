// structuredClone, and what serialize.rs and deserialize.rs ask of the language:
// https://html.spec.whatwg.org/#structured-cloning
(function (native, shared) {
  "use strict";

  const {
    ArrayBuffer, BigInt, DOMException, Error, Map, RangeError, TypeError, arrayBufferResize, arrayBufferTransfer,
    bigIntToString, bigIntValueOf, booleanValueOf, bufferByteLength, bufferDetached, bufferMaxByteLength,
    bufferResizable, dataViewBuffer, dataViewByteLength, dataViewByteOffset, dateGetTime, defineProperty,
    functionToString, getOwnPropertyDescriptor, getPrototypeOf, hasOwn, mapForEach, mapSet, numberValueOf,
    setForEach, stringSlice, stringValueOf, symbolIterator, symbolToString,
    typedArrayBuffer, typedArrayByteOffset, typedArrayLength, typedArraySet,
    typedArrayTag, uncurryThis,
  } = shared.primordials;
  const { defineGlobal, dictionary, interfaceName, requireArguments, sequence } = shared.webidl;
  const { Date, RegExp, Set, Uint8Array } = globalThis;
  const setAdd = uncurryThis(Set.prototype.add);
  const getter = (prototype, name) => uncurryThis(getOwnPropertyDescriptor(prototype, name).get);
  const regExpSource = getter(RegExp.prototype, "source");
  // `flags` would ask for each by its name, which user code can answer.
  const flags = [
    ["d", "hasIndices"], ["g", "global"], ["i", "ignoreCase"], ["m", "multiline"], ["s", "dotAll"], ["u", "unicode"],
    ["v", "unicodeSets"], ["y", "sticky"],
  ].map(([letter, name]) => [letter, getter(RegExp.prototype, name)]);

  const isObject = (value) => (typeof value === "object" && value !== null) || typeof value === "function";
  const dataCloneError = (text) => new DOMException(text, "DataCloneError");

  // By the numbers that the serialised form gives them.
  const errors = [Error, globalThis.EvalError, RangeError, globalThis.ReferenceError, globalThis.SyntaxError, TypeError, globalThis.URIError];
  const errorNames = ["Error", "EvalError", "RangeError", "ReferenceError", "SyntaxError", "TypeError", "URIError"];
  const viewNames = [
    "DataView", "Int8Array", "Uint8Array", "Uint8ClampedArray", "Int16Array", "Uint16Array", "Int32Array", "Uint32Array",
    "Float16Array", "Float32Array", "Float64Array", "BigInt64Array", "BigUint64Array",
  ];
  const views = [];
  for (let i = 0; i < viewNames.length; i++) views[i] = globalThis[viewNames[i]];

  const indexOf = (list, item) => {
    for (let i = 0; i < list.length; i++) if (list[i] === item) return i;
    return -1;
  };

  const dataProperty = (object, key, value) => {
    defineProperty(object, key, { __proto__: null, value, writable: true, enumerable: false, configurable: true });
  };

  const refuse = (value) => {
    if (typeof value === "symbol") throw dataCloneError(`${symbolToString(value)} could not be cloned.`);
    if (typeof value === "function") throw dataCloneError(`${functionToString(value)} could not be cloned.`);
    const name = interfaceName(value);
    if (name !== undefined) {
      throw dataCloneError(`Could not serialize object of type "${name}". This type does not support serialization.`);
    }
    throw dataCloneError("An object of this type could not be cloned.");
  };

  // Whether a view follows the length of its resizable buffer: seen by letting the buffer grow for a moment, which
  // nobody can watch. One that cannot grow tells nothing; its views are taken for fixed ones.
  const isTracking = (view, buffer, lengthOf, size) => {
    if (!bufferResizable(buffer)) return false;
    const length = bufferByteLength(buffer);
    if (length + size > bufferMaxByteLength(buffer)) return false;
    const before = lengthOf(view);
    arrayBufferResize(buffer, length + size);
    const after = lengthOf(view);
    arrayBufferResize(buffer, length);
    return after !== before;
  };

  const outOfBounds = () => dataCloneError("A view of a detached or too short ArrayBuffer could not be cloned.");

  const transferables = [];
  const transferableOf = (object) => {
    for (let i = 0; i < transferables.length; i++) {
      if (transferables[i].is(object)) return transferables[i];
    }
    return undefined;
  };

  shared.structuredClone = {
    __proto__: null,

    // An object of each class that serialize.rs knows, by the names it has for them.
    samples: [
      "plain", {}, "array", [], "error", new Error(), "exception", new DOMException("", ""), "date", new Date(0), "regExp", /x/,
      "map", new Map(), "set", new Set(), "boxed", Object(true), "boxed", Object(0), "boxed", Object(""), "boxed", Object(0n),
      "buffer", new ArrayBuffer(0), ...views.flatMap((View) => ["view", new View(new ArrayBuffer(8))]),
    ],

    refuse,
    interfaceName,
    hasOwn,
    dateTime: dateGetTime,
    bigIntText: (value) => bigIntToString(value, 16),

    // `[source, flags]`
    regExpParts(regExp) {
      let text = "";
      for (let i = 0; i < flags.length; i++) if ((0, flags[i][1])(regExp)) text += flags[i][0];
      return [regExpSource(regExp), text];
    },

    unbox(object) {
      for (let i = 0; i < unboxers.length; i++) {
        try {
          return (0, unboxers[i])(object);
        } catch {
          // It is of another kind.
        }
      }
      return undefined;
    },

    // Keys and values in turn.
    mapList(map) {
      const list = [];
      mapForEach(map, (value, key) => {
        list[list.length] = key;
        list[list.length] = value;
      });
      return list;
    },

    setList(set) {
      const list = [];
      setForEach(set, (value) => { list[list.length] = value; });
      return list;
    },

    // `[class, message, stack, has a cause, cause]`, message and stack undefined if there is none.
    errorParts(error) {
      const kind = indexOf(errorNames, error.name);
      const own = getOwnPropertyDescriptor(error, "message");
      const message = own === undefined || !hasOwn(own, "value") ? undefined : `${own.value}`;
      const { stack } = error;
      const caused = hasOwn(error, "cause");
      return [kind < 0 ? 0 : kind, message, typeof stack === "string" ? stack : undefined, caused, caused ? error.cause : undefined];
    },

    // `[name, message, stack]`
    exceptionParts(exception) {
      const { stack } = exception;
      return [exceptionName(exception), exceptionMessage(exception), typeof stack === "string" ? stack : undefined];
    },

    // `[length, longest]`, the latter -1 if the length is fixed.
    bufferParts(buffer) {
      if (bufferDetached(buffer)) throw dataCloneError("An ArrayBuffer is detached and could not be cloned.");
      return [bufferByteLength(buffer), bufferResizable(buffer) ? bufferMaxByteLength(buffer) : -1];
    },

    // `[class, buffer, offset, length]`, the length -1 if it follows that of the buffer.
    viewParts(view) {
      const tag = typedArrayTag(view);
      if (tag === undefined) {
        const buffer = dataViewBuffer(view);
        let offset, length;
        try {
          offset = dataViewByteOffset(view);
          length = dataViewByteLength(view);
        } catch {
          throw outOfBounds();
        }
        return [0, buffer, offset, isTracking(view, buffer, dataViewByteLength, 1) ? -1 : length];
      }
      const kind = indexOf(viewNames, tag);
      const buffer = typedArrayBuffer(view);
      const offset = typedArrayByteOffset(view), length = typedArrayLength(view);
      if (length === 0 && isOutOfBounds(view, buffer)) throw outOfBounds();
      return [kind, buffer, offset, isTracking(view, buffer, typedArrayLength, views[kind].BYTES_PER_ELEMENT) ? -1 : length];
    },

    makeBigInt: (text) => (text[0] === "-" ? -BigInt(`0x${stringSlice(text, 1)}`) : BigInt(`0x${text}`)),
    makeBoxed: (value) => Object(value),
    makeDate: (time) => new Date(time),
    makeRegExp: (source, flags) => new RegExp(source, flags),
    makeMap: () => new Map(),
    makeSet: () => new Set(),
    mapSet,
    setAdd,

    makeError(kind, message, stack) {
      const error = new errors[kind]();
      if (stack !== undefined) dataProperty(error, "stack", stack);
      if (message !== undefined) dataProperty(error, "message", message);
      return error;
    },

    makeException(name, message, stack) {
      const exception = new DOMException(message, name);
      if (stack !== undefined) dataProperty(exception, "stack", stack);
      return exception;
    },

    // A resizable copy.
    makeResizable(bytes, longest) {
      const buffer = new ArrayBuffer(bufferByteLength(bytes), { __proto__: null, maxByteLength: longest });
      typedArraySet(new Uint8Array(buffer), new Uint8Array(bytes));
      return buffer;
    },

    makeView: (kind, buffer, offset, length) => (length < 0 ? new views[kind](buffer, offset) : new views[kind](buffer, offset, length)),

    // What other scripts can transfer beside buffers: { is(object), transfer(object) }, the latter with the object that
    // takes its place.
    transferables,

    isTransferable: (object) => transferableOf(object) !== undefined,

    // A buffer's memory as a new buffer, the old one being detached; or as a transferable has it.
    transfer(object) {
      const transferable = transferableOf(object);
      if (transferable !== undefined) return transferable.transfer(object);
      if (bufferDetached(object)) throw dataCloneError("An ArrayBuffer is detached and could not be transferred.");
      return arrayBufferTransfer(object);
    },

    // A value on its way: `[packed, moved]`, from which `unpack` reads it once.
    pack: native.pack,
    unpack: native.unpack,
    // How many bytes it has.
    size: native.size,

    fail: (text) => { throw dataCloneError(text); },
  };

  const unboxers = [booleanValueOf, numberValueOf, stringValueOf, bigIntValueOf];
  const exceptionName = getter(DOMException.prototype, "name"), exceptionMessage = getter(DOMException.prototype, "message");

  // A view that is out of bounds looks like an empty one, but `at` throws for it.
  const at = uncurryThis(getPrototypeOf(Uint8Array.prototype).at);
  const isOutOfBounds = (view, buffer) => {
    if (bufferDetached(buffer)) return true;
    try {
      at(view, 0);
      return false;
    } catch {
      return true;
    }
  };

  // `sequence<object>`
  const objectList = (iterable, method) => sequence(iterable, method, (value) => {
    if (!isObject(value)) throw new TypeError("Object is not transferable");
    return value;
  });

  // The objects that options name.
  const transferList = (options) => {
    const { transfer } = options;
    if (transfer === undefined) return [];
    const method = isObject(transfer) ? transfer[symbolIterator] : undefined;
    if (method === undefined || method === null) {
      throw new TypeError("Incorrect type for the 'transfer' field on 'StructuredCloneOptions': the provided value is not of type 'Array'.");
    }
    return objectList(transfer, method);
  };
  shared.structuredClone.objectList = objectList;
  shared.structuredClone.transferList = transferList;

  const functions = {
    structuredClone(value, options = undefined) {
      requireArguments(arguments.length, 1, "structuredClone' on 'ServiceWorkerGlobalScope", "JsValue");
      return native.clone(value, transferList(dictionary(options, "The options of structuredClone")));
    },
  };
  defineGlobal("structuredClone", functions.structuredClone, true);
})
