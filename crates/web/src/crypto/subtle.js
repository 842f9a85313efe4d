// SubtleCrypto. https://w3c.github.io/webcrypto/#subtlecrypto-interface
(function (_, shared) {
  "use strict";

  const { Promise, TypeError, isView } = shared.primordials;
  const { bytes, expose } = shared.webidl;
  const {
    contains, enforce, error, isObject, jwk: jsonWebKey, native, normalize, requireUsages, sequence, slotsOf,
    USAGES,
  } = shared.crypto;
  const token = {};

  const FORMATS = ["raw", "spki", "pkcs8", "jwk"];

  // The promise of an operation: whatever `work` throws rejects it.
  const promise = (work) => new Promise((resolve, reject) => {
    try {
      work(resolve, reject);
    } catch (failure) {
      reject(failure);
    }
  });

  const wrongType = (operation, position, type) =>
    new TypeError(`Failed to execute '${operation}' on 'SubtleCrypto': parameter ${position} is not of type '${type}'.`);

  // Web IDL's conversions of arguments.
  const toAlgorithm = (value) => (isObject(value) ? value : `${value}`);
  const toSlots = (value, operation, position) => {
    const slots = slotsOf(value);
    if (slots === undefined) throw wrongType(operation, position, "CryptoKey");
    return slots;
  };
  const toBuffer = (value, operation, position) => {
    if (bytes(value) === undefined) throw wrongType(operation, position, "BufferSource");
    return value;
  };
  const toFormat = (value) => {
    const format = `${value}`;
    if (!contains(FORMATS, format)) throw new TypeError(`Unrecognized key import format "${format}".`);
    return format;
  };
  const toUsages = (value) => sequence(value, (item) => {
    const usage = `${item}`;
    if (!contains(USAGES, usage)) throw new TypeError(`Invalid key usage "${usage}".`);
    return usage;
  }, "The key usages");

  // Throws unless `slots` belong to a key for this algorithm and usage.
  const checkKey = (slots, algorithm, usage) => {
    if (slots.algorithm.name !== algorithm.name) {
      throw error(
        `Requested algorithm "${algorithm.name}" does not match this CryptoKey's algorithm "${slots.algorithm.name}".`,
        "InvalidAccessError");
    }
    if (!contains(slots.usages, usage)) {
      throw error(
        `Requested key usage "${usage}" does not match any usage listed in this CryptoKey.`, "InvalidAccessError");
    }
  };

  // The exported key: a buffer, or for "jwk" a dictionary.
  const exportKey = (format, slots) => {
    const { name } = slots.algorithm;
    let implementation;
    try {
      ({ implementation } = normalize("exportKey", name));
    } catch {
      throw error(`${name} keys can't be exported.`, "NotSupportedError");
    }
    if (!slots.extractable) throw error(`Attempt to export non-extractable ${name} key.`, "InvalidAccessError");
    return implementation.exportKey(format, slots);
  };

  // `data` is a dictionary for "jwk", else a buffer.
  const importKey = (format, data, algorithm, extractable, usages) => {
    const key = algorithm.implementation.importKey(format, data, algorithm, extractable, usages);
    const slots = slotsOf(key);
    if (slots.type !== "public") requireUsages(slots.usages);
    return key;
  };

  // An algorithm that wraps keys, or else one that encrypts.
  const normalizeWrapping = (wrapping, cipher, algorithm) => {
    try {
      return [normalize(wrapping, algorithm), wrapping];
    } catch {
      return [normalize(cipher, algorithm), cipher];
    }
  };

  class SubtleCrypto {
    #brand = true;
    constructor() {
      if (arguments[0] !== token) throw new TypeError("Illegal constructor");
    }
    static #check(value, operation, given, required, type) {
      if (typeof value !== "object" || value === null || !(#brand in value)) throw new TypeError("Illegal invocation");
      if (given < required) throw wrongType(operation, given + 1, type[given]);
    }

    encrypt(algorithm, key, data) {
      const given = arguments.length;
      return promise((done, fail) => {
        SubtleCrypto.#check(this, "encrypt", given, 3, ["string or EncryptAlgorithm", "CryptoKey", "BufferSource"]);
        const identifier = toAlgorithm(algorithm);
        const slots = toSlots(key, "encrypt", 2);
        toBuffer(data, "encrypt", 3);
        const normalized = normalize("encrypt", identifier);
        const plain = bytes(data);
        checkKey(slots, normalized, "encrypt");
        normalized.implementation.encrypt(normalized, slots, plain, done, fail);
      });
    }

    decrypt(algorithm, key, data) {
      const given = arguments.length;
      return promise((done, fail) => {
        SubtleCrypto.#check(this, "decrypt", given, 3, ["string or EncryptAlgorithm", "CryptoKey", "BufferSource"]);
        const identifier = toAlgorithm(algorithm);
        const slots = toSlots(key, "decrypt", 2);
        toBuffer(data, "decrypt", 3);
        const normalized = normalize("decrypt", identifier);
        const plain = bytes(data);
        checkKey(slots, normalized, "decrypt");
        normalized.implementation.decrypt(normalized, slots, plain, done, fail);
      });
    }

    sign(algorithm, key, data) {
      const given = arguments.length;
      return promise((done, fail) => {
        SubtleCrypto.#check(this, "sign", given, 3, ["string or SignAlgorithm", "CryptoKey", "BufferSource"]);
        const identifier = toAlgorithm(algorithm);
        const slots = toSlots(key, "sign", 2);
        toBuffer(data, "sign", 3);
        const normalized = normalize("sign", identifier);
        const plain = bytes(data);
        checkKey(slots, normalized, "sign");
        normalized.implementation.sign(normalized, slots, plain, done, fail);
      });
    }

    verify(algorithm, key, signature, data) {
      const given = arguments.length;
      return promise((done, fail) => {
        SubtleCrypto.#check(
          this, "verify", given, 4, ["string or SignAlgorithm", "CryptoKey", "BufferSource", "BufferSource"]);
        const identifier = toAlgorithm(algorithm);
        const slots = toSlots(key, "verify", 2);
        toBuffer(signature, "verify", 3);
        toBuffer(data, "verify", 4);
        const normalized = normalize("verify", identifier);
        const plainSignature = bytes(signature);
        const plain = bytes(data);
        checkKey(slots, normalized, "verify");
        normalized.implementation.verify(normalized, slots, plainSignature, plain, done, fail);
      });
    }

    digest(algorithm, data) {
      const given = arguments.length;
      return promise((done, fail) => {
        SubtleCrypto.#check(this, "digest", given, 2, ["string or HashAlgorithm", "BufferSource"]);
        const identifier = toAlgorithm(algorithm);
        toBuffer(data, "digest", 2);
        const normalized = normalize("digest", identifier);
        normalized.implementation.digest(normalized, bytes(data), done, fail);
      });
    }

    generateKey(algorithm, extractable, keyUsages) {
      const given = arguments.length;
      return promise((done, fail) => {
        SubtleCrypto.#check(
          this, "generateKey", given, 3, ["string or GenerateKeyAlgorithm", "boolean", "sequence<KeyUsage>"]);
        const identifier = toAlgorithm(algorithm);
        const usages = toUsages(keyUsages);
        const normalized = normalize("generateKey", identifier);
        normalized.implementation.generateKey(normalized, !!extractable, usages, done, fail);
      });
    }

    deriveKey(algorithm, baseKey, derivedKeyType, extractable, keyUsages) {
      const given = arguments.length;
      return promise((done, fail) => {
        SubtleCrypto.#check(this, "deriveKey", given, 5, [
          "string or DeriveKeyAlgorithm", "CryptoKey", "string or ImportKeyAlgorithm", "boolean", "sequence<KeyUsage>",
        ]);
        const identifier = toAlgorithm(algorithm);
        const slots = toSlots(baseKey, "deriveKey", 2);
        const derivedIdentifier = toAlgorithm(derivedKeyType);
        const usages = toUsages(keyUsages);
        const normalized = normalize("deriveBits", identifier);
        const derived = normalize("importKey", derivedIdentifier);
        const measured = normalize("getKeyLength", derivedIdentifier);
        checkKey(slots, normalized, "deriveKey");
        const length = measured.implementation.getKeyLength(measured);
        normalized.implementation.deriveBits(normalized, slots, length, (secret) => {
          try {
            done(importKey("raw", secret, derived, !!extractable, usages));
          } catch (failure) {
            fail(failure);
          }
        }, fail);
      });
    }

    deriveBits(algorithm, baseKey, length = null) {
      const given = arguments.length;
      return promise((done, fail) => {
        SubtleCrypto.#check(this, "deriveBits", given, 2, ["string or DeriveKeyAlgorithm", "CryptoKey"]);
        const identifier = toAlgorithm(algorithm);
        const slots = toSlots(baseKey, "deriveBits", 2);
        // `unsigned long` wraps around, unlike the members of dictionaries.
        const bits = length === null ? null : length >>> 0;
        const normalized = normalize("deriveBits", identifier);
        checkKey(slots, normalized, "deriveBits");
        normalized.implementation.deriveBits(normalized, slots, bits, done, fail);
      });
    }

    importKey(format, keyData, algorithm, extractable, keyUsages) {
      const given = arguments.length;
      return promise((done) => {
        SubtleCrypto.#check(this, "importKey", given, 5, [
          "string", "BufferSource or JsonWebKey", "string or ImportKeyAlgorithm", "boolean", "sequence<KeyUsage>",
        ]);
        const kind = toFormat(format);
        const isBuffer = isView(keyData) || bytes(keyData) !== undefined;
        if (!isBuffer && keyData !== undefined && keyData !== null && !isObject(keyData)) {
          throw wrongType("importKey", 2, "BufferSource or JsonWebKey");
        }
        const jwk = isBuffer ? undefined : jsonWebKey.fromObject(keyData);
        const identifier = toAlgorithm(algorithm);
        const usages = toUsages(keyUsages);
        const normalized = normalize("importKey", identifier);
        if (kind === "jwk" && isBuffer) {
          throw new TypeError("Import data provided for \"jwk\" import format must be a JsonWebKey.");
        }
        if (kind !== "jwk" && !isBuffer) {
          throw new TypeError("Import data provided for buffer-based import formats must be a buffer source.");
        }
        done(importKey(kind, isBuffer ? bytes(keyData) : jwk, normalized, !!extractable, usages));
      });
    }

    exportKey(format, key) {
      const given = arguments.length;
      return promise((done) => {
        SubtleCrypto.#check(this, "exportKey", given, 2, ["string", "CryptoKey"]);
        const kind = toFormat(format);
        const exported = exportKey(kind, toSlots(key, "exportKey", 2));
        done(kind === "jwk" ? jsonWebKey.toObject(exported) : exported);
      });
    }

    wrapKey(format, key, wrappingKey, wrapAlgorithm) {
      const given = arguments.length;
      return promise((done, fail) => {
        SubtleCrypto.#check(
          this, "wrapKey", given, 4, ["string", "CryptoKey", "CryptoKey", "string or EncryptAlgorithm"]);
        const kind = toFormat(format);
        const slots = toSlots(key, "wrapKey", 2);
        const wrapping = toSlots(wrappingKey, "wrapKey", 3);
        const [normalized, operation] = normalizeWrapping("wrapKey", "encrypt", toAlgorithm(wrapAlgorithm));
        checkKey(wrapping, normalized, "wrapKey");
        const exported = exportKey(kind, slots);
        const plain = kind === "jwk" ? jsonWebKey.toJson(exported) : exported;
        normalized.implementation[operation](normalized, wrapping, plain, done, fail);
      });
    }

    unwrapKey(
      format, wrappedKey, unwrappingKey, unwrapAlgorithm, unwrappedKeyAlgorithm, extractable, keyUsages,
    ) {
      const given = arguments.length;
      return promise((done, fail) => {
        SubtleCrypto.#check(this, "unwrapKey", given, 7, [
          "string", "BufferSource", "CryptoKey", "string or EncryptAlgorithm", "string or ImportKeyAlgorithm",
          "boolean", "sequence<KeyUsage>",
        ]);
        const kind = toFormat(format);
        toBuffer(wrappedKey, "unwrapKey", 2);
        const unwrapping = toSlots(unwrappingKey, "unwrapKey", 3);
        const identifier = toAlgorithm(unwrapAlgorithm);
        const keyIdentifier = toAlgorithm(unwrappedKeyAlgorithm);
        const usages = toUsages(keyUsages);
        const [normalized, operation] = normalizeWrapping("unwrapKey", "decrypt", identifier);
        const keyAlgorithm = normalize("importKey", keyIdentifier);
        const wrapped = bytes(wrappedKey);
        checkKey(unwrapping, normalized, "unwrapKey");
        normalized.implementation[operation](normalized, unwrapping, wrapped, (buffer) => {
          try {
            const data = kind === "jwk" ? jsonWebKey.fromJson(buffer) : buffer;
            done(importKey(kind, data, keyAlgorithm, !!extractable, usages));
          } catch (failure) {
            fail(failure);
          }
        }, fail);
      });
    }

    // Not of the specification: Workers have it.
    timingSafeEqual(a, b) {
      SubtleCrypto.#check(this, "timingSafeEqual", arguments.length, 2, ["BufferSource", "BufferSource"]);
      toBuffer(a, "timingSafeEqual", 1);
      toBuffer(b, "timingSafeEqual", 2);
      const left = bytes(a);
      const right = bytes(b);
      if (native.byteLength(left) !== native.byteLength(right)) {
        throw new TypeError("Input buffers must have the same byte length.");
      }
      return native.equal(left, right);
    }
  }
  expose(SubtleCrypto, "SubtleCrypto");

  shared.crypto.subtle = new SubtleCrypto(token);
})
