(function (native, shared) {
  "use strict";

  const { TypeError } = shared.primordials;
  const { defineGlobal, expose } = shared.webidl;
  const key = {};

  class Navigator {
    #userAgent = "Cloudflare-Workers";
    constructor() {
      if (arguments[0] !== key) throw new TypeError("Illegal constructor");
    }
    get userAgent() {
      return this.#userAgent;
    }
  }

  expose(Navigator, "Navigator");
  defineGlobal("navigator", new Navigator(key), true);
})
