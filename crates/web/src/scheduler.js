(function (native, shared) {
  "use strict";

  const { TypeError } = shared.primordials;
  const { defineGlobal, interfaceOf, requireArguments } = shared.webidl;
  const { deferred, rejected } = shared.promises;
  const { isAborted, isSignal, onAbort, reason } = shared.events;
  const { timers } = shared;
  const key = {};

  const signalOf = (options) => {
    if (options === undefined || options === null) return undefined;
    if (typeof options !== "object" && typeof options !== "function") {
      throw new TypeError("Failed to execute 'wait' on 'Scheduler': parameter 2 is not of type 'WaitOptions'.");
    }
    const { signal } = options;
    if (signal !== undefined && !isSignal(signal)) {
      throw new TypeError("Incorrect type for the 'signal' field on 'WaitOptions': the provided value is not of type 'AbortSignal'.");
    }
    return signal;
  };

  class Scheduler {
    #brand = true;

    constructor() {
      if (arguments[0] !== key) throw new TypeError("Illegal constructor");
    }

    wait(delay, options = undefined) {
      let signal, milliseconds;
      try {
        if (typeof this !== "object" || this === null || !(#brand in this)) throw new TypeError("Illegal invocation");
        requireArguments(arguments.length, 1, "wait' on 'Scheduler", "number");
        milliseconds = +delay;
        signal = signalOf(options);
      } catch (error) {
        return rejected(error);
      }
      if (signal !== undefined && isAborted(signal)) return rejected(reason(signal));
      const { promise, resolve, reject } = deferred();
      let forget;
      const timer = timers.start(() => {
        if (forget !== undefined) forget();
        resolve(undefined);
      }, milliseconds, [], false);
      if (signal !== undefined) {
        forget = onAbort(signal, (why) => {
          timers.stop(timer);
          reject(why);
        });
      }
      return promise;
    }
  }

  defineGlobal("scheduler", new (interfaceOf(Scheduler, "Scheduler"))(key), true);
})
