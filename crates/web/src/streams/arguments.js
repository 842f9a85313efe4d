// The arguments of the streams' constructors and methods, converted as Web IDL asks, in its order.
(function (native, shared) {
  "use strict";

  const { RangeError, TypeError } = shared.primordials;
  const { Number } = globalThis;
  const { isNaN } = Number;

  const isObject = (value) => (typeof value === "object" && value !== null) || typeof value === "function";
  const illegal = () => new TypeError("Illegal invocation");

  // An optional member that is a function.
  const callback = (dictionary, key) => {
    const value = dictionary[key];
    if (value === undefined) return undefined;
    if (typeof value !== "function") throw new TypeError(`The member '${key}' is not a function`);
    return value;
  };

  // A dictionary, or undefined for the empty one.
  const dictionary = (value, what) => {
    if (value === undefined || value === null) return undefined;
    if (!isObject(value)) throw new TypeError(`The ${what} is not an object`);
    return value;
  };

  // An underlying source or sink, or a transformer: an object, or undefined.
  const underlying = (value, what) => {
    if (value !== undefined && !isObject(value)) throw new TypeError(`The ${what} is not an object`);
    return value;
  };

  const NO_STRATEGY = { __proto__: null, mark: undefined, size: undefined };

  // Reads a queuing strategy; what it says is judged later.
  const strategyOf = (value) => {
    const strategy = dictionary(value, "queuing strategy");
    if (strategy === undefined) return NO_STRATEGY;
    let mark = strategy.highWaterMark;
    if (mark !== undefined) mark = Number(mark);
    return { __proto__: null, mark, size: callback(strategy, "size") };
  };

  // https://streams.spec.whatwg.org/#validate-and-normalize-high-water-mark
  const highWaterMarkOf = (strategy, standard) => {
    const { mark } = strategy;
    if (mark === undefined) return standard;
    if (isNaN(mark) || mark < 0) {
      throw new RangeError("The queuing strategy's highWaterMark must be a non-negative, non-NaN number");
    }
    return mark;
  };

  // A constructor of ours given this token makes an object around a state that exists already.
  const INTERNAL = { __proto__: null };

  shared.streamArguments = {
    __proto__: null,
    INTERNAL, callback, dictionary, highWaterMarkOf, illegal, isObject, strategyOf, underlying,
  };
})
