(function (native, shared) {
  "use strict";

  const { TypeError, defineProperty, getOwnPropertyDescriptor } = shared.primordials;
  const { defineGlobal, expose } = shared.webidl;
  const { EventTarget } = shared.events;
  const key = {};

  class Performance extends EventTarget {
    #brand = true;
    constructor() {
      if (arguments[0] !== key) throw new TypeError("Illegal constructor");
      super();
    }
    static #check(object) {
      if (!(#brand in object)) throw new TypeError("Illegal invocation");
    }
    get timeOrigin() {
      Performance.#check(this);
      return native.timeOrigin();
    }
    now() {
      Performance.#check(this);
      return native.now();
    }
    toJSON() {
      Performance.#check(this);
      return { timeOrigin: native.timeOrigin() };
    }
  }

  expose(Performance, "Performance");

  // `[Replaceable]`, on the prototype: https://html.spec.whatwg.org/#windoworworkerglobalscope
  const global = globalThis;
  const performance = new Performance(key);
  const check = (object) => {
    if (object !== undefined && object !== null && object !== global) throw new TypeError("Illegal invocation");
  };
  const accessors = {
    get performance() {
      check(this);
      return performance;
    },
    set performance(value) {
      check(this);
      defineGlobal("performance", value, true);
    },
  };
  // The engine's own would hide it.
  delete global.performance;
  defineProperty(global.WorkerGlobalScope.prototype, "performance", getOwnPropertyDescriptor(accessors, "performance"));
})
