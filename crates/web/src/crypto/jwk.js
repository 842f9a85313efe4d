// JSON Web Keys: conversion from and to JavaScript, JSON, and the checks that all kinds of keys have in common.
// https://w3c.github.io/webcrypto/#JsonWebKey-dictionary
(function (_, shared) {
  "use strict";

  const {
    Error, TypeError, apply, create, defineProperty, jsonParse, jsonStringify, symbolIterator,
  } = shared.primordials;
  const { contains, error, isObject, native } = shared.crypto;

  // A sequence<T>.
  const sequence = (value, convert, what) => {
    const method = isObject(value) ? value[symbolIterator] : undefined;
    if (method === undefined || method === null) throw new TypeError(`${what} must be a sequence.`);
    const iterator = apply(method, value, []);
    if (!isObject(iterator)) throw new TypeError(`${what} must be a sequence.`);
    const { next } = iterator;
    const list = [];
    for (;;) {
      const step = apply(next, iterator, []);
      if (!isObject(step)) throw new TypeError(`${what} must be a sequence.`);
      if (step.done) return list;
      list[list.length] = convert(step.value);
    }
  };

  const string = (value) => `${value}`;
  const otherPrime = (value) => {
    if (value !== undefined && value !== null && !isObject(value)) throw new TypeError("An item of 'oth' must be an object.");
    if (isObject(value)) {
      const { d, r, t } = value;
      for (const member of [d, r, t]) if (member !== undefined) string(member);
    }
    return null;
  };

  // Each member and its converter, in the order of conversion.
  const MEMBERS = [
    ["alg", string], ["crv", string], ["d", string], ["dp", string], ["dq", string], ["e", string],
    ["ext", (value) => !!value], ["k", string],
    ["key_ops", (value) => sequence(value, string, "'key_ops'")],
    ["kty", string], ["n", string],
    ["oth", (value) => sequence(value, otherPrime, "'oth'")],
    ["p", string], ["q", string], ["qi", string], ["use", string], ["x", string], ["y", string],
  ];

  // The dictionary in `value`, which is an object, undefined or null.
  const fromObject = (value) => {
    const jwk = create(null);
    if (!isObject(value)) return jwk;
    for (let i = 0; i < MEMBERS.length; i++) {
      const member = value[MEMBERS[i][0]];
      if (member !== undefined) jwk[MEMBERS[i][0]] = MEMBERS[i][1](member);
    }
    return jwk;
  };

  // An ordinary object of a dictionary.
  const toObject = (jwk) => {
    const object = {};
    for (let i = 0; i < MEMBERS.length; i++) {
      const name = MEMBERS[i][0];
      if (jwk[name] === undefined) continue;
      defineProperty(object, name, {
        __proto__: null, value: jwk[name], writable: true, enumerable: true, configurable: true,
      });
    }
    return object;
  };

  // JSON of a dictionary. Put together by hand: user code may have given arrays a `toJSON`.
  const toJson = (jwk) => {
    let text = "";
    for (let i = 0; i < MEMBERS.length; i++) {
      const name = MEMBERS[i][0];
      const value = jwk[name];
      if (value === undefined) continue;
      let shown;
      if (name === "key_ops") {
        shown = "";
        for (let j = 0; j < value.length; j++) shown += (j === 0 ? "" : ",") + jsonStringify(value[j]);
        shown = `[${shown}]`;
      } else {
        shown = jsonStringify(value);
      }
      text += `${text === "" ? "" : ","}"${name}":${shown}`;
    }
    return native.utf8(`{${text}}`);
  };

  // The dictionary in the JSON of an unwrapped key.
  const fromJson = (buffer) => {
    let value;
    try {
      value = jsonParse(native.fromUtf8(buffer));
    } catch {
      throw error("The unwrapped key is no JSON.", "DataError");
    }
    if (!isObject(value)) throw error("The unwrapped key is no JSON Web Key.", "DataError");
    let jwk;
    try {
      jwk = fromObject(value);
    } catch (failure) {
      throw error(`The unwrapped key is no JSON Web Key: ${failure instanceof Error ? failure.message : ""}`, "DataError");
    }
    if (jwk.kty === undefined) throw error("The unwrapped key has no \"kty\".", "DataError");
    return jwk;
  };

  // Throws unless the key type is `kty`.
  const checkType = (jwk, kty) => {
    if (jwk.kty !== kty) {
      throw error(
        `${kty === "oct" ? "Symmetric" : kty} "jwk" key import requires a JSON Web Key with Key Type parameter "kty" equal to "${kty}" (encountered "${jwk.kty}").`,
        "DataError");
    }
  };

  // Throws unless what the JWK says of its use agrees with what the key is imported for.
  const checkUse = (jwk, use, name, extractable, usages) => {
    if (usages.length > 0 && jwk.use !== undefined && jwk.use !== use) {
      throw error(
        `${jwk.kty === "oct" ? "Symmetric" : "Asymmetric"} "jwk" key must have a "use" of "${use}", not "${jwk.use}".`,
        "DataError");
    }
    const operations = jwk.key_ops;
    if (operations !== undefined) {
      for (let i = 0; i < operations.length; i++) {
        for (let j = 0; j < i; j++) {
          if (operations[i] === operations[j]) throw error("A \"jwk\" key has duplicates in \"key_ops\".", "DataError");
        }
      }
      for (let i = 0; i < usages.length; i++) {
        if (!contains(operations, usages[i])) {
          throw error(`"jwk" key missing usage "${usages[i]}", in "key_ops".`, "DataError");
        }
      }
    }
    if (jwk.ext === false && extractable) {
      throw error(`JWK ext field for "${name}" is set to false but extractable is true`, "DataError");
    }
  };

  // Throws unless the member `alg`, if it is there, is one of `expected`.
  const checkAlgorithm = (jwk, ...expected) => {
    if (jwk.alg !== undefined && !contains(expected, jwk.alg)) {
      throw error(
        `${jwk.kty === "oct" ? "Symmetric" : "Asymmetric"} "jwk" key contains invalid "alg" value "${jwk.alg}", expected "${expected[0]}".`,
        "DataError");
    }
  };

  // Members common to all exported keys.
  const common = (jwk, slots) => {
    jwk.key_ops = [];
    for (let i = 0; i < slots.usages.length; i++) {
      defineProperty(jwk.key_ops, i, {
        __proto__: null, value: slots.usages[i], writable: true, enumerable: true, configurable: true,
      });
    }
    jwk.ext = slots.extractable;
    return jwk;
  };

  shared.crypto.sequence = sequence;
  shared.crypto.jwk = {
    __proto__: null,
    checkAlgorithm, checkType, checkUse, common, fromJson, fromObject, toJson, toObject,
  };
})
