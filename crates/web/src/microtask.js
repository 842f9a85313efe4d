(function (native, shared) {
  "use strict";

  const { apply, TypeError } = shared.primordials;
  const { defineGlobal, requireArguments } = shared.webidl;
  const global = globalThis;
  const { queueMicrotask: enqueue, atob: decode, btoa: encode } = global;

  const functions = {
    // The engine's own would let an exception escape into its job queue.
    queueMicrotask(callback) {
      requireArguments(arguments.length, 1, "queueMicrotask");
      if (typeof callback !== "function") {
        throw new TypeError("Failed to execute 'queueMicrotask': parameter 1 is not of type 'Function'.");
      }
      enqueue(() => {
        try {
          apply(callback, undefined, []);
        } catch (error) {
          shared.report(error);
        }
      });
    },

    reportError(error) {
      requireArguments(arguments.length, 1, "reportError");
      shared.report(error);
    },

    // The engine's take a missing argument for "undefined".
    atob(data) {
      requireArguments(arguments.length, 1, "atob");
      return decode(data);
    },
    btoa(data) {
      requireArguments(arguments.length, 1, "btoa");
      return encode(data);
    },
  };

  for (const name in functions) defineGlobal(name, functions[name], true);
  defineGlobal("self", global, true);
})
