// HKDF and PBKDF2. https://w3c.github.io/webcrypto/#hkdf, https://w3c.github.io/webcrypto/#pbkdf2
(function (_, shared) {
  "use strict";

  const { checkUsages, error, makeKey, native, record, register } = shared.crypto;

  const checkLength = (name, length) => {
    if (length === null) throw error(`${name} cannot derive a key with null length.`, "OperationError");
    if (length % 8 !== 0) {
      throw error(
        `${name} requires a derived key length that is a multiple of eight (requested ${length}).`, "OperationError");
    }
  };

  const derivation = (name, deriveBits) => ({
    __proto__: null,
    deriveBits,
    importKey(format, data, algorithm, extractable, usages) {
      if (format !== "raw") {
        throw error(`${name} key must be imported in "raw" format (requested "${format}").`, "NotSupportedError");
      }
      checkUsages(usages, ["deriveKey", "deriveBits"], `import secret ${name}`);
      if (extractable) throw error(`${name} key cannot be extractable.`, "SyntaxError");
      return makeKey(native.secretFromBytes(data), "secret", false, record({ name }), usages);
    },
    getKeyLength: () => null,
  });

  const keys = { __proto__: null, importKey: "Algorithm", getKeyLength: "Algorithm" };

  register("HKDF", { __proto__: keys, deriveBits: "HkdfParams" }, derivation(
    "HKDF", (algorithm, slots, length, done, fail) => {
      checkLength("HKDF", length);
      native.hkdf(slots.handle, algorithm, length / 8, done, fail);
    }));

  register("PBKDF2", { __proto__: keys, deriveBits: "Pbkdf2Params" }, derivation(
    "PBKDF2", (algorithm, slots, length, done, fail) => {
      checkLength("PBKDF2", length);
      if (algorithm.iterations === 0) {
        throw error("PBKDF2 requires a positive iteration count (requested 0).", "OperationError");
      }
      native.pbkdf2(slots.handle, algorithm, length / 8, done, fail);
    }));
})
