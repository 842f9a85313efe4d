// CryptoKey, and the slots behind it. https://w3c.github.io/webcrypto/#cryptokey-interface
(function (native, shared) {
  "use strict";

  const {
    DOMException, TypeError, Uint8Array, create, defineProperty, freeze, ownKeys,
  } = shared.primordials;
  const { expose } = shared.webidl;
  const token = {};

  // What may be done with keys, in the order in which `usages` lists it.
  const USAGES = ["encrypt", "decrypt", "sign", "verify", "deriveKey", "deriveBits", "wrapKey", "unwrapKey"];

  const contains = (list, value) => {
    for (let i = 0; i < list.length; i++) {
      if (list[i] === value) return true;
    }
    return false;
  };

  // Those of `usages` that are in `allowed`, each once and in the order of USAGES.
  const intersection = (usages, allowed) => {
    const list = [];
    for (let i = 0; i < USAGES.length; i++) {
      if (contains(usages, USAGES[i]) && contains(allowed, USAGES[i])) list[list.length] = USAGES[i];
    }
    return list;
  };

  // A record as an ordinary object of the user's own.
  const present = (record) => {
    const object = {};
    const names = ownKeys(record);
    for (let i = 0; i < names.length; i++) {
      let value = record[names[i]];
      if (typeof value === "object") value = names[i] === "publicExponent" ? new Uint8Array(value) : present(value);
      defineProperty(object, names[i], {
        __proto__: null, value, writable: true, enumerable: true, configurable: true,
      });
    }
    return object;
  };

  let slotsOf;

  class CryptoKey {
    // What the specification calls internal slots: `handle` (native), `type`, `extractable`, `algorithm` (frozen,
    // without prototype), `usages`; and the two objects that the attributes hand out.
    #slots;
    constructor() {
      if (arguments[0] !== token) throw new TypeError("Illegal constructor");
      this.#slots = arguments[1];
    }
    get type() {
      return this.#slots.type;
    }
    get extractable() {
      return this.#slots.extractable;
    }
    get algorithm() {
      const slots = this.#slots;
      return (slots.shownAlgorithm ??= present(slots.algorithm));
    }
    get usages() {
      const slots = this.#slots;
      if (slots.shownUsages === undefined) slots.shownUsages = intersection(slots.usages, USAGES);
      return slots.shownUsages;
    }
    static {
      slotsOf = (value) =>
        typeof value === "object" && value !== null && #slots in value ? value.#slots : undefined;
    }
  }
  expose(CryptoKey, "CryptoKey");

  // Makes a key. `algorithm` is an object of ours.
  const makeKey = (handle, type, extractable, algorithm, usages) => {
    freeze(algorithm);
    return new CryptoKey(token, {
      __proto__: null, handle, type, extractable, algorithm, usages: intersection(usages, USAGES),
      shownAlgorithm: undefined, shownUsages: undefined,
    });
  };

  // The pair of keys that `generateKey` gives. A public key can always be extracted.
  const makePair = (publicHandle, privateHandle, extractable, algorithm, publicUsages, privateUsages) => {
    const pair = {};
    const set = (name, value) => defineProperty(pair, name, {
      __proto__: null, value, writable: true, enumerable: true, configurable: true,
    });
    set("privateKey", makeKey(privateHandle, "private", extractable, algorithm, privateUsages));
    set("publicKey", makeKey(publicHandle, "public", true, algorithm, publicUsages));
    return pair;
  };

  const error = (message, name) => new DOMException(message, name);

  // Throws unless all of `usages` are among `allowed`.
  const checkUsages = (usages, allowed, what) => {
    for (let i = 0; i < usages.length; i++) {
      if (!contains(allowed, usages[i])) {
        throw error(`Attempt to ${what} key with invalid usage "${usages[i]}".`, "SyntaxError");
      }
    }
  };

  // Throws if a secret or private key could be used for nothing.
  const requireUsages = (usages) => {
    if (usages.length === 0) {
      throw error("Secret/private CryptoKeys must have at least one usage.", "SyntaxError");
    }
  };

  // An object without prototype.
  const record = (members) => {
    const result = create(null);
    const names = ownKeys(members);
    for (let i = 0; i < names.length; i++) result[names[i]] = members[names[i]];
    return result;
  };

  shared.crypto = {
    __proto__: null,
    USAGES, checkUsages, contains, error, intersection, makeKey, makePair, native, record, requireUsages, slotsOf,
  };
})
