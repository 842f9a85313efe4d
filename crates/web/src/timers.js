(function (native, shared) {
  "use strict";

  const { Map, TypeError, apply, mapDelete, mapGet, mapHas, mapSet, mapSize, min, trunc } = shared.primordials;
  const { defineGlobal } = shared.webidl;
  const global = globalThis;

  // A hundred years, in milliseconds, for our own use (`scheduler.wait`): as good as never, and far from any overflow.
  const LONGEST = 3153600000000;
  const LAST_ID = 2147483647;

  const timers = new Map();
  let last = 0;

  // `delay` is a number; what is not above zero counts as zero.
  const start = (callback, delay, args, repeats) => {
    const milliseconds = delay > 0 ? min(trunc(delay), LONGEST) : 0;
    do {
      last = last === LAST_ID ? 1 : last + 1;
    } while (mapHas(timers, last));
    mapSet(timers, last, { __proto__: null, callback, args, milliseconds, repeats });
    native.start(last, milliseconds);
    return last;
  };

  const stop = (id) => {
    if (mapDelete(timers, id)) native.stop(id);
  };

  const fire = (id) => {
    const timer = mapGet(timers, id);
    if (timer === undefined) return;
    if (!timer.repeats) mapDelete(timers, id);
    try {
      apply(timer.callback, global, timer.args);
    } catch (error) {
      shared.report(error);
    }
    if (timer.repeats && mapGet(timers, id) === timer) native.start(id, timer.milliseconds);
  };

  const checkedStart = (name, callback, delay, args, repeats) => {
    if (typeof callback !== "function") {
      throw new TypeError(`Failed to execute '${name}' on 'ServiceWorkerGlobalScope': parameter 1 is not of type 'function'.`);
    }
    // A `long`, as the standard has it: what doesn't fit is taken modulo 2³², and what is no number is none.
    return start(callback, +delay | 0, args, repeats);
  };

  const functions = {
    setTimeout(callback, delay = 0, ...args) {
      return checkedStart("setTimeout", callback, delay, args, false);
    },
    setInterval(callback, delay = 0, ...args) {
      return checkedStart("setInterval", callback, delay, args, true);
    },
    clearTimeout(id = undefined) {
      stop(+id);
    },
    clearInterval(id = undefined) {
      stop(+id);
    },
  };
  for (const name in functions) defineGlobal(name, functions[name], true);

  shared.timers = { __proto__: null, start, stop, fire, count: () => mapSize(timers) };
})
