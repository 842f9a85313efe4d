// RSASSA-PKCS1-v1_5, RSA-PSS and RSA-OAEP. https://w3c.github.io/webcrypto/#rsassa-pkcs1 … #rsa-oaep
(function (_, shared) {
  "use strict";

  const { Uint8Array, stringSlice, typedArrayLength } = shared.primordials;
  const {
    checkUsages, error, intersection, jwk: jsonWebKey, makeKey, makePair, native, record, register,
    requireUsages,
  } = shared.crypto;

  const LONGEST = 8192;

  const describe = (name, handle, hash) => {
    const [modulusLength, publicExponent] = native.rsaDescribe(handle);
    return record({ name, modulusLength, publicExponent, hash: record({ name: hash }) });
  };

  // The number in `publicExponent`; what is no useful exponent throws.
  const exponent = (bytes) => {
    let number = 0;
    const length = typedArrayLength(bytes);
    for (let i = 0; i < length && number <= 8589934591; i++) number = number * 256 + bytes[i];
    if (number < 3 || number > 8589934591 || number % 2 === 0) {
      throw error(`The "publicExponent" must be odd, at least 3 and below 2^33, but got ${number}.`, "OperationError");
    }
    return number;
  };

  // `use` and `alg` are those of JWK; `publicUsages` and `privateUsages` what keys may be used for.
  const rsa = (name, use, alg, publicUsages, privateUsages, operations) => ({
    __proto__: operations,
    generateKey({ modulusLength, publicExponent, hash }, extractable, usages, done, fail) {
      checkUsages(usages, [...publicUsages, ...privateUsages], `generate ${name}`);
      if (modulusLength < 1024 || modulusLength > LONGEST || modulusLength % 8 !== 0) {
        throw error(
          `The modulus length must be a multiple of 8 and between 1024 and ${LONGEST}, but ${modulusLength} was requested.`,
          "OperationError");
      }
      const number = exponent(publicExponent);
      requireUsages(intersection(usages, privateUsages));
      native.rsaGenerate(modulusLength, number, (publicHandle, privateHandle) => {
        done(makePair(
          publicHandle, privateHandle, extractable, describe(name, publicHandle, hash),
          intersection(usages, publicUsages), intersection(usages, privateUsages)));
      }, fail);
    },
    importKey(format, data, { hash }, extractable, usages) {
      const isPrivate = format === "pkcs8" || (format === "jwk" && data.d !== undefined);
      if (format !== "spki" && format !== "pkcs8" && format !== "jwk") {
        throw error(`Unrecognized key import format "${format}".`, "NotSupportedError");
      }
      const type = isPrivate ? "private" : "public";
      checkUsages(usages, isPrivate ? privateUsages : publicUsages, `import ${type} ${name}`);
      let handle;
      if (format === "jwk") {
        jsonWebKey.checkType(data, "RSA");
        jsonWebKey.checkUse(data, use, name, extractable, usages);
        jsonWebKey.checkAlgorithm(data, alg(hash));
        if (data.oth !== undefined) throw error("Multi-prime RSA private keys are not supported.", "NotSupportedError");
        handle = native.rsaImportJwk(data);
      } else {
        handle = native.rsaImport(format, data);
      }
      return makeKey(handle, type, extractable, describe(name, handle, hash), usages);
    },
    exportKey(format, slots) {
      if (format === "jwk") {
        const jwk = jsonWebKey.common(native.rsaExportJwk(slots.handle), slots);
        jwk.kty = "RSA";
        jwk.alg = alg(slots.algorithm.hash.name);
        return jwk;
      }
      const expected = format === "spki" ? "public" : format === "pkcs8" ? "private" : undefined;
      if (expected === undefined) throw error(`Unimplemented key export format "${format}".`, "NotSupportedError");
      if (slots.type !== expected) {
        throw error(`Asymmetric ${format} export requires ${expected} key (not "${slots.type}").`, "InvalidAccessError");
      }
      return native.rsaExport(slots.handle);
    },
  });

  const keys = {
    __proto__: null,
    generateKey: "RsaHashedKeyGenParams", importKey: "RsaHashedImportParams", exportKey: "Algorithm",
  };
  const requireType = (slots, type) => {
    if (slots.type !== type) {
      throw error(`The provided key has type "${slots.type}", not "${type}"`, "InvalidAccessError");
    }
  };
  const signatures = (salt) => ({
    __proto__: null,
    sign(algorithm, slots, data, done, fail) {
      requireType(slots, "private");
      native.rsaSign(slots.handle, slots.algorithm.hash.name, salt(algorithm), data, done, fail);
    },
    verify(algorithm, slots, signature, data, done, fail) {
      requireType(slots, "public");
      native.rsaVerify(slots.handle, slots.algorithm.hash.name, [salt(algorithm), signature], data, done, fail);
    },
  });
  const bits = (hash) => stringSlice(hash, 4);

  register("RSASSA-PKCS1-v1_5", { __proto__: keys, sign: "Algorithm", verify: "Algorithm" },
    rsa("RSASSA-PKCS1-v1_5", "sig", (hash) => `RS${bits(hash)}`, ["verify"], ["sign"], signatures(() => -1)));

  register("RSA-PSS", { __proto__: keys, sign: "RsaPssParams", verify: "RsaPssParams" },
    rsa("RSA-PSS", "sig", (hash) => `PS${bits(hash)}`, ["verify"], ["sign"], signatures(({ saltLength }) => saltLength)));

  const NO_LABEL = new Uint8Array(0);
  const oaep = (type) => ({ label = NO_LABEL }, slots, data, done, fail) => {
    requireType(slots, type);
    native.rsaOaep(slots.handle, slots.algorithm.hash.name, label, data, done, fail);
  };
  register("RSA-OAEP", { __proto__: keys, encrypt: "RsaOaepParams", decrypt: "RsaOaepParams" }, rsa(
    "RSA-OAEP", "enc", (hash) => (hash === "SHA-1" ? "RSA-OAEP" : `RSA-OAEP-${bits(hash)}`),
    ["encrypt", "wrapKey"], ["decrypt", "unwrapKey"],
    { __proto__: null, encrypt: oaep("public"), decrypt: oaep("private") }));
})
