// `Fetcher`: https://developers.cloudflare.com/workers/runtime-apis/bindings/service-bindings/http/
//
// It is `fetch()` to another destination. The answer to the script is a function that makes one of it.
(function (native, shared) {
  "use strict";

  const { Promise, TypeError } = shared.primordials;
  const { tag } = shared.webidl;
  const { start } = shared.outbound;

  const INTERNAL = {};

  class Fetcher {
    #destination;

    constructor(key, destination) {
      if (key !== INTERNAL) throw new TypeError("Illegal constructor");
      this.#destination = destination;
    }

    fetch(input, init = undefined) {
      if (!(#destination in this)) {
        throw new TypeError("Illegal invocation: function called with incorrect `this` reference.");
      }
      const given = arguments.length;
      return new Promise((resolve, reject) => {
        if (given === 0) {
          throw new TypeError("Failed to execute 'fetch' on 'Fetcher': parameter 1 is not of type 'Request or string'.");
        }
        start(input, init, resolve, reject, this.#destination);
      });
    }
  }
  tag(Fetcher.prototype, "Fetcher");

  return (destination) => new Fetcher(INTERNAL, destination);
})
