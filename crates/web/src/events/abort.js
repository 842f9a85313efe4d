// AbortController and AbortSignal: https://dom.spec.whatwg.org/#aborting-ongoing-activities
(function (native, shared) {
  "use strict";

  const {
    DOMException, TypeError, WeakRef, apply, deref, removeAt, symbolIterator,
  } = shared.primordials;
  const { enforceUnsigned, expose, requireArguments } = shared.webidl;
  const { Event, EventTarget } = shared.events;
  const { defineHandler, dispatch, hasListeners, watch } = shared.eventTarget;

  const key = {};
  const newSignal = () => new AbortSignal(key);

  class AbortSignal extends EventTarget {
    #aborted = false;
    #reason = undefined;
    // Called with the reason before the event is dispatched; entries are { run }.
    #algorithms = [];
    // For a signal made by any(): the signals it follows, none of which does so itself.
    #sources = undefined;
    // For a followed signal: one { weak, strong } for each follower. `strong` is set while the
    // follower has something to do on abort, which is when it must outlive the references to it.
    #followers = undefined;

    constructor() {
      if (arguments[0] !== key) throw new TypeError("Illegal constructor");
      super();
    }

    static {
      const isSignal = (value) => typeof value === "object" && value !== null && #aborted in value;
      const check = (value) => {
        if (!isSignal(value)) throw new TypeError("The value is not an AbortSignal.");
        return value;
      };
      shared.events.isSignal = isSignal;
      shared.events.isAborted = (signal) => signal.#aborted;
      shared.events.reason = (signal) => signal.#reason;
      shared.events.newSignal = newSignal;
      shared.events.abort = (signal, reason) => check(signal).#abort(reason);
      // Adds an algorithm; returns what takes it back. One for an aborted signal runs at once.
      shared.events.onAbort = (signal, run) => {
        check(signal);
        if (signal.#aborted) {
          run(signal.#reason);
          return () => {};
        }
        const algorithm = { __proto__: null, run };
        signal.#algorithms[signal.#algorithms.length] = algorithm;
        signal.#settle();
        return () => {
          const list = signal.#algorithms;
          for (let i = 0; i < list.length; i++) {
            if (list[i] === algorithm) {
              removeAt(list, i);
              signal.#settle();
              return;
            }
          }
        };
      };
      // A signal that is aborted with the first of `sources`.
      shared.events.anySignal = (sources) => {
        const result = newSignal();
        for (let i = 0; i < sources.length; i++) {
          if (sources[i].#aborted) {
            result.#aborted = true;
            result.#reason = sources[i].#reason;
            return result;
          }
        }
        result.#sources = [];
        for (let i = 0; i < sources.length; i++) {
          const roots = sources[i].#sources === undefined ? [sources[i]] : sources[i].#sources;
          for (let j = 0; j < roots.length; j++) result.#follow(roots[j]);
        }
        watch(result, () => result.#settle());
        return result;
      };
    }

    #follow(source) {
      for (let i = 0; i < this.#sources.length; i++) {
        if (this.#sources[i] === source) return;
      }
      this.#sources[this.#sources.length] = source;
      const old = source.#followers;
      const alive = [];
      if (old !== undefined) {
        for (let i = 0; i < old.length; i++) {
          if (deref(old[i].weak) !== undefined) alive[alive.length] = old[i];
        }
      }
      alive[alive.length] = { __proto__: null, weak: new WeakRef(this), strong: undefined };
      source.#followers = alive;
    }

    // Keeps a follower alive exactly while it has listeners or algorithms.
    #settle() {
      const sources = this.#sources;
      if (sources === undefined) return;
      const strong = !this.#aborted && (this.#algorithms.length > 0 || hasListeners(this, "abort")) ? this : undefined;
      for (let i = 0; i < sources.length; i++) {
        const followers = sources[i].#followers;
        for (let j = 0; followers !== undefined && j < followers.length; j++) {
          if (deref(followers[j].weak) === this) followers[j].strong = strong;
        }
      }
    }

    #abort(reason) {
      if (this.#aborted) return;
      const value = reason === undefined ? new DOMException("The operation was aborted", "AbortError") : reason;
      this.#aborted = true;
      this.#reason = value;
      const following = [];
      const followers = this.#followers;
      if (followers !== undefined) {
        this.#followers = undefined;
        for (let i = 0; i < followers.length; i++) {
          const follower = deref(followers[i].weak);
          if (follower !== undefined && !follower.#aborted) {
            follower.#aborted = true;
            follower.#reason = value;
            following[following.length] = follower;
          }
        }
      }
      this.#run();
      for (let i = 0; i < following.length; i++) following[i].#run();
    }

    #run() {
      const algorithms = this.#algorithms;
      this.#algorithms = [];
      for (let i = 0; i < algorithms.length; i++) {
        try {
          const { run } = algorithms[i];
          run(this.#reason);
        } catch (error) {
          shared.report(error);
        }
      }
      dispatch(this, new Event("abort"), true);
      this.#settle();
    }

    static abort(reason = undefined) {
      const signal = newSignal();
      signal.#aborted = true;
      signal.#reason = reason === undefined ? new DOMException("The operation was aborted", "AbortError") : reason;
      return signal;
    }

    static timeout(milliseconds) {
      requireArguments(arguments.length, 1, "timeout' on 'AbortSignal", "number");
      const delay = enforceUnsigned(milliseconds, "The delay of AbortSignal.timeout()");
      const signal = newSignal();
      shared.timers.start(
        () => signal.#abort(new DOMException("The operation was aborted due to timeout", "TimeoutError")),
        delay, [], false);
      return signal;
    }

    static any(signals) {
      requireArguments(arguments.length, 1, "any' on 'AbortSignal", "Array");
      const method = signals === undefined || signals === null ? undefined : signals[symbolIterator];
      if (typeof signals !== "object" && typeof signals !== "function" || typeof method !== "function") {
        throw new TypeError("Failed to execute 'any' on 'AbortSignal': parameter 1 is not of type 'Array'.");
      }
      const list = [];
      const iterator = apply(method, signals, []);
      const { next } = iterator;
      for (;;) {
        const step = apply(next, iterator, []);
        if (step.done) break;
        const { value } = step;
        if (!shared.events.isSignal(value)) {
          throw new TypeError(`Incorrect type for array element ${list.length}: the provided value is not of type 'AbortSignal'.`);
        }
        list[list.length] = value;
      }
      return shared.events.anySignal(list);
    }

    get aborted() {
      return this.#aborted;
    }

    get reason() {
      return this.#reason;
    }

    throwIfAborted() {
      if (this.#aborted) throw this.#reason;
    }
  }
  defineHandler(AbortSignal, "abort");

  class AbortController {
    #signal = newSignal();

    get signal() {
      return this.#signal;
    }

    abort(reason = undefined) {
      shared.events.abort(this.#signal, reason);
    }
  }

  expose(AbortSignal, "AbortSignal");
  expose(AbortController, "AbortController");
  shared.events.AbortSignal = AbortSignal;
})
