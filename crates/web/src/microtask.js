(function (native, shared) {
  "use strict";

  const { DOMException, TypeError, apply } = shared.primordials;
  const { defineGlobal, requireArguments } = shared.webidl;
  const global = globalThis;
  const { queueMicrotask: enqueue, atob: decode, btoa: encode } = global;

  // Of the engine's errors only that of the conversion to a string, which comes first, is as it should be.
  const withMessage = (convert, data, message) => {
    const text = `${data}`;
    try {
      return convert(text);
    } catch {
      throw new DOMException(message, "InvalidCharacterError");
    }
  };

  const functions = {
    // The engine's own would let an exception escape into its job queue.
    queueMicrotask(callback) {
      if (typeof callback !== "function") {
        throw new TypeError("Failed to execute 'queueMicrotask' on 'ServiceWorkerGlobalScope': parameter 1 is not of type 'function'.");
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
      requireArguments(arguments.length, 1, "reportError' on 'ServiceWorkerGlobalScope", "Value");
      shared.report(error);
    },

    // The engine's take a missing argument for "undefined".
    atob(data) {
      requireArguments(arguments.length, 1, "atob' on 'ServiceWorkerGlobalScope");
      return withMessage(decode, data,
        "atob() called with invalid base64-encoded data. (Only whitespace, '+', '/', alphanumeric ASCII, and up to two "
        + "terminal '=' signs when the input data length is divisible by 4 are allowed.)");
    },
    btoa(data) {
      requireArguments(arguments.length, 1, "btoa' on 'ServiceWorkerGlobalScope", "String");
      return withMessage(encode, data, "btoa() can only operate on characters in the Latin1 (ISO/IEC 8859-1) range.");
    },
  };

  for (const name in functions) defineGlobal(name, functions[name], true);
  defineGlobal("self", global, true);
})
