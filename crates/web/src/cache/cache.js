// caches, CacheStorage and Cache: https://w3c.github.io/ServiceWorker/#cache-interface, as far as upstream has them:
// https://developers.cloudflare.com/workers/runtime-apis/cache/
(function (native, shared) {
  "use strict";

  const { Error, Promise, TypeError, defineProperty } = shared.primordials;
  const { defineGlobal, expose, requireArguments, usv } = shared.webidl;
  const { illegal, isObject } = shared.streamArguments;
  const { rejected } = shared.promises;

  const INTERNAL = {};
  const NOTHING = 0, DONE = 1, FOUND = 2;

  // Upstream has these members, and no more of them.
  const notImplemented = (name, type) => {
    throw new Error(`Failed to execute '${name}' on '${type}': the method is not implemented.`);
  };

  // Whether the options allow any method.
  const anyMethod = (options, name) => {
    if (options === undefined || options === null) return false;
    if (!isObject(options)) {
      throw new TypeError(`Failed to execute '${name}' on 'Cache': parameter 2 is not of type 'CacheQueryOptions'.`);
    }
    const { ignoreMethod } = options;
    for (const member of ["ignoreSearch", "ignoreVary", "cacheName"]) {
      if (options[member] !== undefined) {
        throw new Error(`The '${member}' field on 'CacheQueryOptions' is not implemented.`);
      }
    }
    return !!ignoreMethod;
  };

  class Cache {
    #name;
    constructor() {
      if (arguments[0] !== INTERNAL) throw new TypeError("Illegal constructor");
      this.#name = arguments[1];
    }
    match(request, options = undefined) {
      if (!isObject(this) || !(#name in this)) return rejected(illegal());
      const given = arguments.length;
      return new Promise((resolve, reject) => {
        requireArguments(given, 1, "match' on 'Cache", "Request or string");
        const ignoreMethod = anyMethod(options, "match");
        const isAsked = native.ask(this.#name, request, ignoreMethod, false, (outcome, value) => {
          if (outcome === FOUND) resolve(value);
          else if (outcome === NOTHING) resolve(undefined);
          else reject(new Error(value));
        });
        if (!isAsked) resolve(undefined);
      });
    }
    put(request, response) {
      if (!isObject(this) || !(#name in this)) return rejected(illegal());
      const given = arguments.length;
      return new Promise((resolve, reject) => {
        requireArguments(given, 1, "put' on 'Cache", "Request or string");
        const isAsked = native.put(this.#name, request, response, (outcome, value) => {
          if (outcome === DONE) resolve(undefined);
          else reject(new Error(value));
        }, reject);
        if (!isAsked) resolve(undefined);
      });
    }
    delete(request, options = undefined) {
      if (!isObject(this) || !(#name in this)) return rejected(illegal());
      const given = arguments.length;
      return new Promise((resolve, reject) => {
        requireArguments(given, 1, "delete' on 'Cache", "Request or string");
        const ignoreMethod = anyMethod(options, "delete");
        const isAsked = native.ask(this.#name, request, ignoreMethod, true, (outcome, value) => {
          if (outcome === DONE || outcome === NOTHING) resolve(outcome === DONE);
          else reject(new Error(value));
        });
        if (!isAsked) resolve(false);
      });
    }
    add() { notImplemented("add", "Cache"); }
    addAll() { notImplemented("addAll", "Cache"); }
    matchAll() { notImplemented("matchAll", "Cache"); }
    keys() { notImplemented("keys", "Cache"); }
  }

  class CacheStorage {
    #brand;
    constructor() {
      if (arguments[0] !== INTERNAL) throw new TypeError("Illegal constructor");
      defineProperty(this, "default", {
        __proto__: null, value: new Cache(INTERNAL, undefined), writable: false, enumerable: true, configurable: true,
      });
    }
    open(cacheName) {
      if (!isObject(this) || !(#brand in this)) return rejected(illegal());
      const given = arguments.length;
      return new Promise((resolve) => {
        requireArguments(given, 1, "open' on 'CacheStorage");
        const name = usv(cacheName);
        if (native.byteLength(name) >= 1024) throw new TypeError("Cache name is too long.");
        resolve(new Cache(INTERNAL, name));
      });
    }
    match() { notImplemented("match", "CacheStorage"); }
    has() { notImplemented("has", "CacheStorage"); }
    delete() { notImplemented("delete", "CacheStorage"); }
    keys() { notImplemented("keys", "CacheStorage"); }
  }

  expose(Cache, "Cache");
  expose(CacheStorage, "CacheStorage");
  defineGlobal("caches", new CacheStorage(INTERNAL), true);
})
