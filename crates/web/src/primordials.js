// The intrinsics as they are before user code runs. Scripts of the platform use these alone, so that
// a Worker that patches a prototype changes its own world and not ours.
(function (native, shared) {
  "use strict";

  const { bind, call } = Function.prototype;
  // uncurryThis(f)(self, ...args) is f.call(self, ...args), without a look-up on `f`.
  const uncurryThis = bind.bind(call);
  const { getOwnPropertyDescriptor, getPrototypeOf } = Reflect;
  const getter = (prototype, name) => uncurryThis(getOwnPropertyDescriptor(prototype, name).get);

  // Removes one element in place. `splice` and its like would ask the array's constructor for its
  // species, which user code can replace.
  const removeAt = (array, index) => {
    for (let i = index + 1; i < array.length; i++) array[i - 1] = array[i];
    array.length--;
  };

  const typedArrayPrototype = getPrototypeOf(Uint8Array.prototype);

  shared.primordials = {
    __proto__: null,
    uncurryThis,
    getter,

    apply: Reflect.apply,
    construct: Reflect.construct,
    defineProperty: Reflect.defineProperty,
    getOwnPropertyDescriptor,
    getPrototypeOf,
    setPrototypeOf: Reflect.setPrototypeOf,
    ownKeys: Reflect.ownKeys,
    create: Object.create,
    freeze: Object.freeze,
    is: Object.is,
    hasOwn: Object.hasOwn,
    isExtensible: Reflect.isExtensible,
    propertyIsEnumerable: uncurryThis(Object.prototype.propertyIsEnumerable),
    objectPrototype: Object.prototype,
    functionToString: uncurryThis(Function.prototype.toString),

    isArray: Array.isArray,
    jsonParse: JSON.parse,
    jsonStringify: JSON.stringify,
    join: uncurryThis(Array.prototype.join),
    removeAt,
    sort: uncurryThis(Array.prototype.sort),

    Map,
    mapGet: uncurryThis(Map.prototype.get),
    mapSet: uncurryThis(Map.prototype.set),
    mapHas: uncurryThis(Map.prototype.has),
    mapDelete: uncurryThis(Map.prototype.delete),
    mapSize: getter(Map.prototype, "size"),
    mapForEach: uncurryThis(Map.prototype.forEach),
    setSize: getter(Set.prototype, "size"),
    setForEach: uncurryThis(Set.prototype.forEach),
    WeakMap,
    weakMapGet: uncurryThis(WeakMap.prototype.get),
    weakMapSet: uncurryThis(WeakMap.prototype.set),
    weakMapHas: uncurryThis(WeakMap.prototype.has),
    weakSetHas: uncurryThis(WeakSet.prototype.has),
    FinalizationRegistry,
    register: uncurryThis(FinalizationRegistry.prototype.register),
    WeakRef,
    deref: uncurryThis(WeakRef.prototype.deref),

    BigInt,
    asIntN: BigInt.asIntN,
    BigInt,
    bigIntToString: uncurryThis(BigInt.prototype.toString),
    bigIntValueOf: uncurryThis(BigInt.prototype.valueOf),
    booleanValueOf: uncurryThis(Boolean.prototype.valueOf),
    numberToString: uncurryThis(Number.prototype.toString),
    numberValueOf: uncurryThis(Number.prototype.valueOf),
    stringValueOf: uncurryThis(String.prototype.valueOf),
    symbolToString: uncurryThis(Symbol.prototype.toString),
    symbolValueOf: uncurryThis(Symbol.prototype.valueOf),
    toFixed: uncurryThis(Number.prototype.toFixed),
    Number,
    isInteger: Number.isInteger,
    parseInt,
    parseFloat,
    floor: Math.floor,
    max: Math.max,
    min: Math.min,
    round: Math.round,
    sqrt: Math.sqrt,
    trunc: Math.trunc,

    String,
    fromCodePoint: String.fromCodePoint,
    codePointAt: uncurryThis(String.prototype.codePointAt),
    stringCharAt: uncurryThis(String.prototype.charAt),
    charCodeAt: uncurryThis(String.prototype.charCodeAt),
    endsWith: uncurryThis(String.prototype.endsWith),
    includes: uncurryThis(String.prototype.includes),
    indexOf: uncurryThis(String.prototype.indexOf),
    isWellFormed: uncurryThis(String.prototype.isWellFormed),
    lastIndexOf: uncurryThis(String.prototype.lastIndexOf),
    padEnd: uncurryThis(String.prototype.padEnd),
    padStart: uncurryThis(String.prototype.padStart),
    repeat: uncurryThis(String.prototype.repeat),
    split: uncurryThis(String.prototype.split),
    startsWith: uncurryThis(String.prototype.startsWith),
    stringSlice: uncurryThis(String.prototype.slice),
    toLowerCase: uncurryThis(String.prototype.toLowerCase),
    toWellFormed: uncurryThis(String.prototype.toWellFormed),
    trim: uncurryThis(String.prototype.trim),

    ArrayBuffer,
    Uint8Array,
    isView: ArrayBuffer.isView,
    bufferByteLength: getter(ArrayBuffer.prototype, "byteLength"),
    bufferDetached: getter(ArrayBuffer.prototype, "detached"),
    bufferTransfer: uncurryThis(ArrayBuffer.prototype.transferToFixedLength),
    bufferMaxByteLength: getter(ArrayBuffer.prototype, "maxByteLength"),
    bufferResizable: getter(ArrayBuffer.prototype, "resizable"),
    arrayBufferResize: uncurryThis(ArrayBuffer.prototype.resize),
    arrayBufferTransfer: uncurryThis(ArrayBuffer.prototype.transfer),
    sharedByteLength: getter(SharedArrayBuffer.prototype, "byteLength"),
    typedArrayTag: getter(typedArrayPrototype, Symbol.toStringTag),
    typedArrayBuffer: getter(typedArrayPrototype, "buffer"),
    typedArrayByteOffset: getter(typedArrayPrototype, "byteOffset"),
    typedArrayByteLength: getter(typedArrayPrototype, "byteLength"),
    typedArrayLength: getter(typedArrayPrototype, "length"),
    typedArraySet: uncurryThis(typedArrayPrototype.set),
    dataViewBuffer: getter(DataView.prototype, "buffer"),
    dataViewByteOffset: getter(DataView.prototype, "byteOffset"),
    dataViewByteLength: getter(DataView.prototype, "byteLength"),

    dateNow: Date.now,
    dateGetTime: uncurryThis(Date.prototype.getTime),
    dateToISOString: uncurryThis(Date.prototype.toISOString),
    RegExp,
    regExpExec: uncurryThis(RegExp.prototype.exec),
    regExpToString: uncurryThis(RegExp.prototype.toString),
    errorToString: uncurryThis(Error.prototype.toString),

    // The engine's own, which hands on what its callback throws.
    queueMicrotask: globalThis.queueMicrotask,
    Promise,
    promiseThen: uncurryThis(Promise.prototype.then),
    promiseResolve: uncurryThis(Promise.resolve),
    promiseReject: uncurryThis(Promise.reject),
    promiseWithResolvers: uncurryThis(Promise.withResolvers),

    DOMException,
    Error,
    RangeError,
    TypeError,

    iteratorPrototype: getPrototypeOf(getPrototypeOf([][Symbol.iterator]())),
    arrayIteratorPrototype: getPrototypeOf([][Symbol.iterator]()),
    mapIteratorPrototype: getPrototypeOf(new Map()[Symbol.iterator]()),
    setIteratorPrototype: getPrototypeOf(new Set()[Symbol.iterator]()),
    symbolIterator: Symbol.iterator,
    symbolAsyncIterator: Symbol.asyncIterator,
    symbolToStringTag: Symbol.toStringTag,
  };
})
