(function (native, shared) {
  "use strict";

  const { TypeError } = shared.primordials;
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
  defineGlobal("performance", new Performance(key), true);
})
