(function (native, shared) {
  "use strict";

  const { TypeError, freeze } = shared.primordials;
  const { defineGlobal, expose } = shared.webidl;
  const key = {};
  const languages = freeze(["en"]);

  class Navigator {
    #userAgent = "Cloudflare-Workers";
    constructor() {
      if (arguments[0] !== key) throw new TypeError("Illegal constructor");
    }
    get languages() {
      this.#userAgent;
      return languages;
    }
    get language() {
      this.#userAgent;
      return "en";
    }
    get platform() {
      this.#userAgent;
      return "";
    }
    get hardwareConcurrency() {
      this.#userAgent;
      return 1;
    }
    get userAgent() {
      return this.#userAgent;
    }
  }

  expose(Navigator, "Navigator");
  defineGlobal("navigator", new Navigator(key), true);
})
