// ECDSA and ECDH on the NIST curves, Ed25519 (also under workerd's older name) and X25519.
// https://w3c.github.io/webcrypto/#ecdsa, #ecdh; https://wicg.github.io/webcrypto-secure-curves/
(function (_, shared) {
  "use strict";

  const {
    checkUsages, error, intersection, jwk: jsonWebKey, makeKey, makePair, native, record, register,
    requireUsages, slotsOf,
  } = shared.crypto;

  const requireType = (slots, type) => {
    if (slots.type !== type) {
      throw error(`The provided key has type "${slots.type}", not "${type}"`, "InvalidAccessError");
    }
  };

  const checkExport = (format, slots) => {
    const expected = format === "raw" || format === "spki" ? "public" : format === "pkcs8" ? "private" : undefined;
    if (expected === undefined) throw error(`Unimplemented key export format "${format}".`, "NotSupportedError");
    if (slots.type !== expected) {
      throw error(
        format === "raw"
          ? "Raw export of elliptic curve keys is only allowed for public keys."
          : `Asymmetric ${format} export requires ${expected} key (not "${slots.type}").`,
        "InvalidAccessError");
    }
  };

  // What the kinds of keys on curves have in common. `kind` knows how their native functions are called, the `kty` and
  // `use` of their JWKs; `check` which curves there are.
  const curveKeys = (kind, publicUsages, privateUsages) => ({
    __proto__: null,
    generateKey(algorithm, extractable, usages, done, fail) {
      checkUsages(usages, intersection([...publicUsages, ...privateUsages], shared.crypto.USAGES), `generate ${algorithm.name}`);
      const curve = kind.curve(algorithm);
      if (intersection(usages, privateUsages).length === 0 && usages.length > 0) {
        throw error("Attempt to generate asymmetric keys with no valid private key usages.", "SyntaxError");
      }
      requireUsages(usages);
      kind.generate(curve, (publicHandle, privateHandle) => {
        done(makePair(
          publicHandle, privateHandle, extractable, kind.algorithm(algorithm),
          intersection(usages, publicUsages), intersection(usages, privateUsages)));
      }, fail);
    },
    importKey(format, data, algorithm, extractable, usages) {
      const { name } = algorithm;
      if (format !== "raw" && format !== "spki" && format !== "pkcs8" && format !== "jwk") {
        throw error(`Unrecognized key import format "${format}".`, "NotSupportedError");
      }
      const isPrivate = format === "pkcs8" || (format === "jwk" && data.d !== undefined);
      const type = isPrivate ? "private" : "public";
      const curve = kind.curve(algorithm);
      checkUsages(usages, isPrivate ? privateUsages : publicUsages, `import ${type} ${name}`);
      let handle;
      if (format === "jwk") {
        jsonWebKey.checkType(data, kind.kty);
        jsonWebKey.checkUse(data, kind.use, name, extractable, usages);
        if (data.crv !== curve) {
          throw error(`The "crv" of the "jwk" key is "${data.crv}", expected "${curve}".`, "DataError");
        }
        if (kind.algs !== undefined) jsonWebKey.checkAlgorithm(data, ...kind.algs(curve));
        handle = kind.importJwk(curve, data);
      } else {
        handle = kind.import(format, curve, data);
      }
      return makeKey(handle, type, extractable, kind.algorithm(algorithm), usages);
    },
    exportKey(format, slots) {
      if (format === "jwk") {
        const jwk = jsonWebKey.common(kind.exportJwk(slots.handle), slots);
        jwk.kty = kind.kty;
        jwk.crv = kind.curve(slots.algorithm);
        if (kind.exportedAlg !== undefined) jwk.alg = kind.exportedAlg;
        return jwk;
      }
      checkExport(format, slots);
      return kind.export(format, slots.handle);
    },
  });

  // The first `length` bits (all for null) of the secret that two keys share.
  const agreement = (agree) => (algorithm, slots, length, done) => {
    requireType(slots, "private");
    const other = slotsOf(algorithm.public);
    requireType(other, "public");
    if (other.algorithm.name !== slots.algorithm.name || other.algorithm.namedCurve !== slots.algorithm.namedCurve) {
      throw error("The two keys are of different algorithms or curves.", "InvalidAccessError");
    }
    let secret = agree(slots.handle, other.handle);
    const bits = native.secretLength(secret) * 8;
    if (length !== null) {
      if (length > bits) {
        throw error(`Derived key length (${length} bits) is too long (should be at most ${bits} bits).`, "OperationError");
      }
      secret = native.secretTruncated(secret, length);
    }
    done(native.secretBytes(secret));
  };

  const ec = (use, algs) => ({
    __proto__: null,
    kty: "EC", use, algs, exportedAlg: undefined,
    curve({ namedCurve }) {
      if (namedCurve !== "P-256" && namedCurve !== "P-384" && namedCurve !== "P-521") {
        throw error(`Unrecognized or unimplemented EC curve "${namedCurve}" requested.`, "NotSupportedError");
      }
      return namedCurve;
    },
    algorithm: ({ name, namedCurve }) => record({ name, namedCurve }),
    generate: native.ecGenerate, import: native.ecImport, importJwk: native.ecImportJwk,
    export: native.ecExport, exportJwk: native.ecExportJwk,
  });
  const ecKeys = {
    __proto__: null,
    generateKey: "EcKeyGenParams", importKey: "EcKeyImportParams", exportKey: "Algorithm",
  };

  const ecdsaAlg = (curve) => [curve === "P-256" ? "ES256" : curve === "P-384" ? "ES384" : "ES512"];
  register("ECDSA", { __proto__: ecKeys, sign: "EcdsaParams", verify: "EcdsaParams" }, {
    __proto__: curveKeys(ec("sig", ecdsaAlg), ["verify"], ["sign"]),
    sign({ hash }, slots, data, done, fail) {
      requireType(slots, "private");
      native.ecSign(slots.handle, hash, data, done, fail);
    },
    verify({ hash }, slots, signature, data, done, fail) {
      requireType(slots, "public");
      native.ecVerify(slots.handle, hash, signature, data, done, fail);
    },
  });

  register("ECDH", { __proto__: ecKeys, deriveBits: "EcdhKeyDeriveParams" }, {
    __proto__: curveKeys(ec("enc", undefined), [], ["deriveKey", "deriveBits"]),
    deriveBits: agreement(native.ecAgree),
  });

  const okp = (curve, use, algs, exportedAlg) => ({
    __proto__: null,
    kty: "OKP", use, algs, exportedAlg,
    curve: () => curve,
    algorithm: ({ name }) => record({ name }),
    generate: native.okpGenerate, import: native.okpImport, importJwk: native.okpImportJwk,
    export: native.okpExport, exportJwk: native.okpExportJwk,
  });
  const eddsa = {
    __proto__: null,
    sign(algorithm, slots, data, done, fail) {
      requireType(slots, "private");
      native.okpSign(slots.handle, data, done, fail);
    },
    verify(algorithm, slots, signature, data, done, fail) {
      requireType(slots, "public");
      native.okpVerify(slots.handle, signature, data, done, fail);
    },
  };
  const okpKeys = { __proto__: null, generateKey: "Algorithm", importKey: "Algorithm", exportKey: "Algorithm" };
  const eddsaAlg = () => ["Ed25519", "EdDSA"];
  const derive = (keys, operations) => ({ __proto__: keys, ...operations });

  register("Ed25519", { __proto__: okpKeys, sign: "Algorithm", verify: "Algorithm" },
    derive(curveKeys(okp("Ed25519", "sig", eddsaAlg, "EdDSA"), ["verify"], ["sign"]), eddsa));

  // As Ed25519, but with a `namedCurve` that must be given.
  register("NODE-ED25519", { __proto__: ecKeys, sign: "Algorithm", verify: "Algorithm" }, derive(curveKeys({
    __proto__: okp("Ed25519", "sig", eddsaAlg, undefined),
    curve({ namedCurve }) {
      if (namedCurve !== "NODE-ED25519") throw error(`EDDSA curve "${namedCurve}" isn't supported.`, "NotSupportedError");
      return "Ed25519";
    },
    algorithm: ({ name, namedCurve }) => record({ name, namedCurve }),
  }, ["verify"], ["sign"]), eddsa));

  register("X25519", { __proto__: okpKeys, deriveBits: "EcdhKeyDeriveParams" }, {
    __proto__: curveKeys(okp("X25519", "enc", undefined, undefined), [], ["deriveKey", "deriveBits"]),
    deriveBits: agreement(native.okpAgree),
  });
})
