// The JavaScript half of PyProxies: what their prototypes have, by features, and the classes of `pyodide.ffi`. Runs once,
// before any user code, and looks up nothing later that user code may change; `native` holds Rust functions.
(function (native, PythonError) {
  "use strict";
  const { Object, Array, Symbol, Function, Error, TypeError, Promise, Reflect } = globalThis;
  const { create, defineProperty, getPrototypeOf, getOwnPropertyDescriptor, setPrototypeOf, freeze } = Object;
  const { apply, ownKeys } = Reflect;
  const { trunc, min, max } = Math;
  const uncurry = (method) => Function.prototype.call.bind(method);
  const isInstance = uncurry(Function.prototype[Symbol.hasInstance]);
  const then = uncurry(Promise.prototype.then);
  const finallyOf = uncurry(Promise.prototype.finally);
  const { reject } = Promise;
  const rejected = (reason) => apply(reject, Promise, [reason]);
  const arrayOf = (...items) => items;
  const F = native.features;
  const M = native.methods;

  // Getters and methods of `source` on `target`, as those of a class are.
  const define = (target, source) => {
    const names = ownKeys(source);
    for (let index = 0; index < names.length; index++) {
      const descriptor = getOwnPropertyDescriptor(source, names[index]);
      descriptor.enumerable = false;
      // Prototypes are made when first needed: `Object.prototype` may have a `get` by then.
      setPrototypeOf(descriptor, null);
      defineProperty(target, names[index], descriptor);
    }
    return target;
  };

  // ---- what every PyProxy has

  const proxy_symbol = Symbol("pyproxy");
  const base = {
    // How a method finds the proxy where `this` is an heir or a JavaScript Proxy of one.
    get [proxy_symbol]() { return this; },
    get type() { return native.type(this); },
    toString: M.toString,
    destroy: M.destroy,
    copy: M.copy,
    toJs(options = {}) { return native.toJs(this, options); },
    get [Symbol.toStringTag]() { return "PyProxy"; },
  };
  if (Symbol.dispose) base[Symbol.dispose] = { dispose() { this.destroy(); } }.dispose;

  class PyProxy {
    constructor() { throw new TypeError("PyProxy is not a constructor"); }
  }
  define(PyProxy.prototype, base);
  const callableBase = define(create(Function.prototype), base);
  defineProperty(callableBase, "constructor", getOwnPropertyDescriptor(PyProxy.prototype, "constructor"));
  function PyProxyFunction() {}
  PyProxyFunction.prototype = callableBase;
  const isPyProxy = (value) => {
    try { return isInstance(PyProxy, value) || isInstance(PyProxyFunction, value); } catch { return false; }
  };
  defineProperty(PyProxy, Symbol.hasInstance, {
    value: { [Symbol.hasInstance](value) { return isInstance(PyProxy, value) || isInstance(PyProxyFunction, value); } }[
      Symbol.hasInstance],
  });

  // ---- calls

  const namedArguments = (args, caller) => {
    if (args.length === 0) {
      throw new TypeError(`${caller} requires at least one argument (the key word argument object)`);
    }
    const named = args[args.length - 1];
    args.length -= 1;
    if (named.constructor !== undefined && named.constructor.name !== "Object") {
      throw new TypeError("kwargs argument is not an object");
    }
    return named;
  };
  const BY_NAME = "callKwargs";
  const BY_OPTIONS = "callWithOptions with 'kwargs: true'";
  const call = (self, args, named, relaxed = false) => native.call(self, args, named, relaxed, false);
  // As a task of its own, which begins with a turn of the event loop.
  const callPromising = (self, args, named, relaxed = false) =>
    native.promise(native.call(self, args, named, relaxed, true));

  const callable = {
    call(thisArgument, ...args) { return native.callBound(this, thisArgument, args); },
    apply(thisArgument, args) {
      return native.callBound(this, thisArgument, args === undefined || args === null ? [] : apply(arrayOf, undefined, args));
    },
    bind(thisArgument, ...args) { return native.bind(this, thisArgument, args); },
    captureThis() { return native.captureThis(this); },
    callKwargs(...args) {
      const named = namedArguments(args, BY_NAME);
      return call(this, args, named);
    },
    callRelaxed(...args) { return call(this, args, undefined, true); },
    callKwargsRelaxed(...args) {
      const named = namedArguments(args, BY_NAME);
      return call(this, args, named, true);
    },
    callPromising(...args) { return callPromising(this, args, undefined); },
    callPromisingKwargs(...args) {
      const named = namedArguments(args, BY_NAME);
      return callPromising(this, args, named);
    },
    callWithOptions({ relaxed, kwargs, promising }, ...args) {
      const named = kwargs ? namedArguments(args, BY_OPTIONS) : undefined;
      return (promising ? callPromising : call)(this, args, named, !!relaxed);
    },
  };

  // What `create_once_callable` makes of a proxy: a function that may be called once, or destroyed.
  const once = (proxy) => {
    let used = false;
    const wrapper = (...args) => {
      if (used) throw new Error("OnceProxy can only be called once");
      used = true;
      try { return native.callBound(proxy, undefined, args); } finally { native.destroy(proxy); }
    };
    const destroy = () => {
      if (used) throw new Error("OnceProxy has already been destroyed");
      used = true;
      native.destroy(proxy);
    };
    defineProperty(wrapper, "destroy",
      { __proto__: null, value: destroy, writable: true, enumerable: true, configurable: true });
    return wrapper;
  };

  // ---- iteration

  // What iterables are iterated with passes for a generator.
  const iteration_prototype = define(create(getPrototypeOf(function* () {}).prototype), {
    next: M.iterationNext, return: M.iterationReturn, throw: M.iterationThrow,
  });

  // The items of a proxy that adapts to JSON do so too.
  function* iterateAdapted(iterator, adapter) {
    try {
      for (;;) {
        const step = native.step(iterator, adapter);
        if (step === undefined) return;
        yield step.value;
      }
    } finally {
      native.destroy(iterator);
    }
  }

  const isOfType = (error, type) => error !== null && typeof error === "object" && error.type === type;

  async function* asyncIterate(iterator) {
    try {
      for (;;) {
        const { done, value } = await native.asyncNext(iterator, undefined);
        if (done) return;
        yield value;
      }
    } finally {
      native.destroy(iterator);
    }
  }

  const asyncEnd = async (promise, returned) => {
    try {
      return { done: false, value: await promise };
    } catch (error) {
      if (isOfType(error, "StopAsyncIteration")) return { done: true, value: undefined };
      if (isOfType(error, "GeneratorExit")) return { done: true, value: returned };
      throw error;
    }
  };

  const asyncGenerator = {
    async throw(error) { return asyncEnd(native.asyncThrow(this, error), undefined); },
    async return(value) { return asyncEnd(native.asyncReturn(this), value); },
  };

  const awaitable = {
    then(onfulfilled, onrejected) { return then(native.promise(this), onfulfilled, onrejected); },
    catch(onrejected) { return then(native.promise(this), undefined, onrejected); },
    finally(onfinally) { return finallyOf(native.promise(this), onfinally); },
  };

  // ---- sequences: JavaScript's own methods work on indices and length

  const own = (name) => {
    const method = Array.prototype[name];
    return { [name](...args) { return apply(method, this, args); } }[name];
  };
  const has = uncurry(M.has);
  const { lastIndexOf, slice } = Array.prototype;
  const sequence = {
    get [Symbol.isConcatSpreadable]() { return true; },
    lastIndexOf(item, from) { return apply(lastIndexOf, this, [item, from === undefined ? this.length : from]); },
    includes(item) { return has(this, item); },
    toJSON() { return apply(slice, this, []); },
  };
  const names = ["join", "slice", "indexOf", "forEach", "map", "filter", "some", "every", "reduce", "reduceRight", "at",
    "concat", "entries", "keys", "values", "find", "findIndex"];
  for (let index = 0; index < names.length; index++) sequence[names[index]] = own(names[index]);

  const byText = (left, right) => {
    const first = left.toString(), second = right.toString();
    return first === second ? 0 : first < second ? -1 : 1;
  };

  const clamp = (index, length) => {
    const whole = trunc(index) || 0;
    return whole < 0 ? max(length + whole, 0) : min(whole, length);
  };
  const mutable = {
    reverse() { native.method(this, "reverse"); return this; },
    push(...items) {
      for (let index = 0; index < items.length; index++) native.method(this, "append", items[index]);
      return this.length;
    },
    unshift(...items) {
      for (let index = 0; index < items.length; index++) native.method(this, "insert", index, items[index]);
      return this.length;
    },
    pop() { return native.pop(this, false); },
    shift() { return native.pop(this, true); },
    splice(start, count, ...items) {
      const length = this.length;
      const from = clamp(start, length);
      const most = length - from;
      const taken = arguments.length === 1 || (arguments.length > 1 && count === undefined) ? most : min(max(trunc(count) || 0, 0), most);
      return native.splice(this, from, from + taken, items);
    },
    sort(compare) {
      const by = compare ? compare : byText;
      const key = native.compareKey((left, right) => {
        if (left === undefined) return right === undefined ? 0 : 1;
        return right === undefined ? -1 : by(left, right);
      });
      try {
        this.$sort.callKwargs({ key });
      } finally {
        key.destroy();
      }
      return this;
    },
    copyWithin: own("copyWithin"),
    fill: own("fill"),
  };

  const adaptable = { asJsJson() { return native.asJsJson(this); } };
  const mixins = [
    [F.LENGTH, defineProperty({}, "length", { get: M.length, configurable: true })],
    [F.GET, { get: M.get }],
    [F.SET, { set: M.set, delete: M.delete }],
    [F.HAS, { has: M.has }],
    [F.ITERABLE, { [Symbol.iterator]: M.iterator }],
    [F.JSON_DICT | F.JSON_SEQUENCE, { [Symbol.iterator]() { return iterateAdapted(native.iterator(this), this); } }],
    [F.ITERATOR, { next: M.next, [Symbol.iterator]() { return this; } }],
    [F.GENERATOR, { throw: M.throw, return: M.return }],
    [F.ASYNC_ITERABLE, { [Symbol.asyncIterator]() { return asyncIterate(native.asyncIterator(this)); } }],
    [F.ASYNC_ITERATOR, {
      // Async functions would add promises of their own to every step.
      next(value) {
        try { return native.asyncNext(this, value); } catch (error) { return rejected(error); }
      },
      [Symbol.asyncIterator]() { return this; },
    }],
    [F.ASYNC_GENERATOR, asyncGenerator],
    [F.AWAITABLE, awaitable],
    [F.BUFFER, { getBuffer(type) { return native.getBuffer(this, type); } }],
    [F.SEQUENCE, sequence],
    [F.MUTABLE_SEQUENCE, mutable],
    [F.CALLABLE, callable],
    [F.GET | F.SEQUENCE, adaptable],
  ];

  function prototype_for(features) {
    const prototype = create(features & F.CALLABLE ? callableBase : PyProxy.prototype);
    for (let index = 0; index < mixins.length; index++) {
      if (features & mixins[index][0]) define(prototype, mixins[index][1]);
    }
    return prototype;
  }

  // ---- what getBuffer() returns; the memory is given back by release(), or when nobody holds the data any more

  const buffer_view_key = {};
  class PyBufferView {
    #memory;
    constructor(key, memory, offset, readonly, format, itemsize, ndim, nbytes, shape, strides, data,
      c_contiguous, f_contiguous) {
      if (key !== buffer_view_key) throw new TypeError("PyBufferView is not a constructor");
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
  if (Symbol.dispose) define(PyBufferView.prototype, { [Symbol.dispose]() { this.release(); } });

  // ---- the classes of `pyodide.ffi`

  const withFeature = (name, mask) => withTest(name, (value) => isPyProxy(value) && (native.features_of(value) & mask) !== 0);
  const withTest = (name, test) => {
    const derived = { [name]: class extends PyProxy {} }[name];
    defineProperty(derived, Symbol.hasInstance, { value: test });
    return derived;
  };
  const classes = {
    PyProxy,
    PyProxyWithLength: withFeature("PyProxyWithLength", F.LENGTH),
    PyProxyWithGet: withFeature("PyProxyWithGet", F.GET),
    PyProxyWithSet: withFeature("PyProxyWithSet", F.SET),
    PyProxyWithHas: withFeature("PyProxyWithHas", F.HAS),
    PyDict: withTest("PyDict", (value) => isPyProxy(value) && value.type === "dict"),
    PyIterable: withFeature("PyIterable", F.ITERABLE | F.ITERATOR),
    PyAsyncIterable: withFeature("PyAsyncIterable", F.ASYNC_ITERABLE | F.ASYNC_ITERATOR),
    PyIterator: withFeature("PyIterator", F.ITERATOR),
    PyAsyncIterator: withFeature("PyAsyncIterator", F.ASYNC_ITERATOR),
    PyGenerator: withFeature("PyGenerator", F.GENERATOR),
    PyAsyncGenerator: withFeature("PyAsyncGenerator", F.ASYNC_GENERATOR),
    PyAwaitable: withFeature("PyAwaitable", F.AWAITABLE),
    PyCallable: withFeature("PyCallable", F.CALLABLE),
    PyBuffer: withFeature("PyBuffer", F.BUFFER),
    PyBufferView,
    PythonError,
    PySequence: withFeature("PySequence", F.SEQUENCE),
    PyMutableSequence: withFeature("PyMutableSequence", F.MUTABLE_SEQUENCE),
  };

  return { define, PyProxy, PyBufferView, buffer_view_key, iteration_prototype, prototype_for, proxy_symbol, classes, once, frozen: freeze({}) };
})
