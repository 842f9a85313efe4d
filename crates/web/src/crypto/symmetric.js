// AES and HMAC. https://w3c.github.io/webcrypto/#aes-ctr … #hmac
(function (_, shared) {
  "use strict";

  const { TypeError, stringSlice, typedArrayByteLength } = shared.primordials;
  const {
    blockBits, checkUsages, error, jwk: jsonWebKey, makeKey, native, record, register, requireUsages,
  } = shared.crypto;

  const unknownFormat = (format, what) => error(`Unrecognized key ${what} format "${format}".`, "NotSupportedError");

  // Secret keys as raw bytes or JWK.
  const exportSecret = (format, slots, alg) => {
    if (format === "raw") return native.secretBytes(slots.handle);
    if (format !== "jwk") throw error(`Unimplemented key export format "${format}".`, "NotSupportedError");
    const jwk = jsonWebKey.common({ __proto__: null, kty: "oct", k: native.secretBase64(slots.handle) }, slots);
    if (alg !== undefined) jwk.alg = alg;
    return jwk;
  };

  const isAesLength = (bits) => bits === 128 || bits === 192 || bits === 256;

  // What JWK calls AES with a key of so many bits in the mode of `name`.
  const aesAlg = (name, bits) => `A${bits}${stringSlice(name, 4)}`;

  const aes = (allowed, parameters) => {
    const cipher = (encrypt) => (algorithm, slots, data, done, fail) =>
      native.aes(encrypt, parameters(algorithm, encrypt, data), slots.handle, data, done, fail);
    return {
      __proto__: null,
      encrypt: cipher(true),
      decrypt: cipher(false),
      wrapKey: cipher(true),
      unwrapKey: cipher(false),
      generateKey({ name, length }, extractable, usages, done) {
        checkUsages(usages, allowed, `generate ${name}`);
        if (!isAesLength(length)) {
          throw error(`Generated AES key length must be 128, 192, or 256 bits but requested ${length}.`, "OperationError");
        }
        requireUsages(usages);
        done(makeKey(native.secretRandom(length / 8), "secret", extractable, record({ name, length }), usages));
      },
      importKey(format, data, { name }, extractable, usages) {
        checkUsages(usages, allowed, `import secret ${name}`);
        let handle;
        if (format === "raw") {
          handle = native.secretFromBytes(data);
        } else if (format === "jwk") {
          jsonWebKey.checkType(data, "oct");
          if (data.k === undefined) {
            throw error("Symmetric \"jwk\" key import requires a base64Url encoding of the key.", "DataError");
          }
          handle = native.secretFromJwk(data);
        } else {
          throw unknownFormat(format, "import");
        }
        const length = native.secretLength(handle) * 8;
        if (!isAesLength(length)) {
          throw error(`Imported AES key length must be 128, 192, or 256 bits but provided ${length}.`, "DataError");
        }
        if (format === "jwk") {
          jsonWebKey.checkAlgorithm(data, aesAlg(name, length));
          jsonWebKey.checkUse(data, "enc", name, extractable, usages);
        }
        return makeKey(handle, "secret", extractable, record({ name, length }), usages);
      },
      exportKey: (format, slots) =>
        exportSecret(format, slots, aesAlg(slots.algorithm.name, slots.algorithm.length)),
      getKeyLength({ length }) {
        if (!isAesLength(length)) {
          throw error(`Generated AES key length must be 128, 192, or 256 bits but requested ${length}.`, "OperationError");
        }
        return length;
      },
    };
  };

  const CIPHER_USAGES = ["encrypt", "decrypt", "wrapKey", "unwrapKey"];
  const keys = {
    __proto__: null,
    generateKey: "AesKeyGenParams", importKey: "Algorithm", exportKey: "Algorithm", getKeyLength: "AesDerivedKeyParams",
  };

  register("AES-CBC", { __proto__: keys, encrypt: "AesCbcParams", decrypt: "AesCbcParams" }, aes(CIPHER_USAGES, ({ name, iv }) => {
    const length = typedArrayByteLength(iv);
    if (length !== 16) throw error(`AES-CBC IV must be 16 bytes long (provided ${length}).`, "OperationError");
    return { __proto__: null, name, iv };
  }));

  register("AES-CTR", { __proto__: keys, encrypt: "AesCtrParams", decrypt: "AesCtrParams" }, aes(CIPHER_USAGES, ({ name, counter, length }) => {
    const bytes = typedArrayByteLength(counter);
    if (bytes !== 16) throw error(`AES-CTR counter must be 16 bytes long (provided ${bytes}).`, "OperationError");
    if (length === 0 || length > 128) throw error(`Invalid counter of ${length} bits length provided.`, "OperationError");
    return { __proto__: null, name, counter, length };
  }));

  register("AES-GCM", { __proto__: keys, encrypt: "AesGcmParams", decrypt: "AesGcmParams" }, aes(CIPHER_USAGES, (algorithm) => {
    const { name, iv, additionalData, tagLength = 128 } = algorithm;
    switch (tagLength) {
      case 32: case 64: case 96: case 104: case 112: case 120: case 128:
        break;
      default:
        throw error(`Invalid AES-GCM tag length ${tagLength}.`, "OperationError");
    }
    if (typedArrayByteLength(iv) === 0) throw error("AES-GCM IV must not be empty.", "OperationError");
    return { __proto__: null, name, iv, additionalData, tagLength };
  }));

  register("AES-KW", { __proto__: keys, wrapKey: "Algorithm", unwrapKey: "Algorithm" },
    aes(["wrapKey", "unwrapKey"], ({ name }) => ({ __proto__: null, name })));

  const hmacAlg = (hash) => {
    switch (hash) {
      case "SHA-1": return "HS1";
      case "SHA-256": return "HS256";
      case "SHA-384": return "HS384";
      case "SHA-512": return "HS512";
      default: return undefined;
    }
  };
  const hmacAlgorithm = (hash, length) => record({ name: "HMAC", hash: record({ name: hash }), length });

  register("HMAC", {
    __proto__: null,
    sign: "Algorithm", verify: "Algorithm", generateKey: "HmacKeyGenParams", importKey: "HmacImportParams",
    exportKey: "Algorithm", getKeyLength: "HmacImportParams",
  }, {
    __proto__: null,
    sign: (algorithm, slots, data, done, fail) =>
      native.hmacSign(slots.handle, slots.algorithm.hash.name, data, done, fail),
    verify: (algorithm, slots, signature, data, done, fail) =>
      native.hmacVerify(slots.handle, slots.algorithm.hash.name, signature, data, done, fail),
    generateKey({ hash, length = blockBits(hash) }, extractable, usages, done) {
      checkUsages(usages, ["sign", "verify"], "generate HMAC");
      if (length === 0) {
        throw error("HMAC key length must be a non-zero unsigned long integer (requested 0).", "OperationError");
      }
      requireUsages(usages);
      if (length > 8 * 65536) throw error(`HMAC keys of ${length} bits are not generated.`, "OperationError");
      const handle = native.secretTruncated(native.secretRandom((length + 7 - (length + 7) % 8) / 8), length);
      done(makeKey(handle, "secret", extractable, hmacAlgorithm(hash, length), usages));
    },
    importKey(format, data, { name, hash, length }, extractable, usages) {
      checkUsages(usages, ["sign", "verify"], "import secret HMAC");
      let handle;
      if (format === "raw") {
        handle = native.secretFromBytes(data);
      } else if (format === "jwk") {
        jsonWebKey.checkType(data, "oct");
        if (data.k === undefined) {
          throw error("Symmetric \"jwk\" key import requires a base64Url encoding of the key.", "DataError");
        }
        handle = native.secretFromJwk(data);
        jsonWebKey.checkAlgorithm(data, hmacAlg(hash));
        jsonWebKey.checkUse(data, "sig", name, extractable, usages);
      } else {
        throw unknownFormat(format, "import");
      }
      const given = native.secretLength(handle) * 8;
      const bits = length ?? given;
      if (bits === 0 || bits > given || bits <= given - 8) {
        throw error(
          `Imported HMAC key length (${bits}) must be a non-zero value up to 7 bits less than, and no greater than, the bit length of the raw key data (${given}).`,
          "DataError");
      }
      if (bits !== given) handle = native.secretTruncated(handle, bits);
      return makeKey(handle, "secret", extractable, hmacAlgorithm(hash, bits), usages);
    },
    exportKey(format, slots) {
      const alg = hmacAlg(slots.algorithm.hash.name);
      if (format === "jwk" && alg === undefined) {
        throw error(`Unimplemented JWK key export format for key algorithm "${slots.algorithm.hash.name}".`, "NotSupportedError");
      }
      return exportSecret(format, slots, alg);
    },
    getKeyLength({ hash, length = blockBits(hash) }) {
      if (length === 0) throw new TypeError("HMAC key length must be a non-zero unsigned long integer (requested 0).");
      return length;
    },
  });
})
