// Promises as the streams use them: through intrinsics alone, and as few as possible, since each costs as much as
// the rest of what a chunk needs.
(function (native, shared) {
  "use strict";

  const {
    Promise, apply, promiseReject, promiseResolve, promiseThen: then, promiseWithResolvers, queueMicrotask: later,
  } = shared.primordials;

  const resolved = (value) => promiseResolve(Promise, value);
  const rejected = (reason) => promiseReject(Promise, reason);
  const deferred = () => promiseWithResolvers(Promise);
  // `later(f)` runs `f`, which must not throw, once the stack is empty.

  // As Web IDL has it: a promise of its own, which a value that is a promise settles a little later.
  const promiseOf = (value) => {
    const { promise, resolve } = deferred();
    resolve(value);
    return promise;
  };
  const ignore = () => {};
  const markHandled = (promise) => { then(promise, undefined, ignore); };

  // One promise for everything that is over already.
  const done = resolved(undefined);
  // What an algorithm gives in place of a promise if it calls the reactions by itself: through `later`, in the turn in
  // which those of a promise would be called.
  const own = { __proto__: null };

  // As `then` for reactions that must not throw and whose promise nobody wants: many a chunk needs no promise so.
  const react = (promise, fulfilled, rejected) => {
    if (promise === done) later(fulfilled); else if (promise !== own) then(promise, fulfilled, rejected);
  };

  // What a method of user code gives, as a promise.
  const promiseCall = (f, self, args) => {
    try {
      const result = apply(f, self, args);
      return result === undefined ? done : resolved(result);
    } catch (error) {
      return rejected(error);
    }
  };

  // The same with every turn that Web IDL's conversion of a promise takes, for what seldom happens.
  const exactPromiseCall = (f, self, args) => {
    try {
      const result = apply(f, self, args);
      return result === undefined ? done : promiseOf(result);
    } catch (error) {
      return rejected(error);
    }
  };

  const PENDING = 0, FULFILLED = 1, REJECTED = 2;

  // A promise that exists once somebody asks for it, as few do. Its rejection counts as handled.
  class Outcome {
    state = PENDING;
    value = undefined;
    deferred = null;

    get pending() { return this.state === PENDING; }

    // One that is not settled: this, if nobody has seen its promise.
    renewed() {
      if (this.state === PENDING) return this;
      if (this.deferred !== null) return new Outcome();
      this.state = PENDING;
      this.value = undefined;
      return this;
    }

    // As resolve() and renewed() in one.
    pulse() {
      if (this.deferred === null) return this;
      this.resolve();
      return new Outcome();
    }

    get promise() {
      if (this.deferred === null) {
        this.deferred = deferred();
        if (this.state === FULFILLED) this.deferred.resolve(undefined);
        else if (this.state === REJECTED) this.#reject();
      }
      return this.deferred.promise;
    }

    resolve() {
      if (this.state !== PENDING) return;
      this.state = FULFILLED;
      if (this.deferred !== null) this.deferred.resolve(undefined);
    }

    reject(reason) {
      if (this.state !== PENDING) return;
      this.state = REJECTED;
      this.value = reason;
      if (this.deferred !== null) this.#reject();
    }

    #reject() {
      markHandled(this.deferred.promise);
      this.deferred.reject(this.value);
    }
  }

  shared.promises = {
    __proto__: null,
    Outcome, deferred, done, exactPromiseCall, later, markHandled, own, promiseCall, promiseOf, react, rejected, resolved,
    then,
  };
})
