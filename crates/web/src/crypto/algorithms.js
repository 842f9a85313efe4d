// What algorithms there are, and how `AlgorithmIdentifier`s become dictionaries with all members converted.
// https://w3c.github.io/webcrypto/#algorithm-normalization
(function (_, shared) {
  "use strict";

  const {
    Map, TypeError, Uint8Array, charCodeAt, mapGet, mapSet, toLowerCase, trunc, typedArrayTag,
  } = shared.primordials;
  const { bytes } = shared.webidl;
  const { error, native, slotsOf } = shared.crypto;

  const isObject = (value) => (typeof value === "object" && value !== null) || typeof value === "function";

  // [EnforceRange] of an unsigned integer.
  const enforce = (value, most, what) => {
    const number = trunc(+value);
    if (!(number >= 0 && number <= most)) {
      throw new TypeError(`The value of ${what} is outside the range 0 to ${most}.`);
    }
    return number + 0;
  };
  const unsigned = (most) => (value, member) => enforce(value, most, `'${member}'`);

  // What error messages call the dictionaries of an operation.
  const NAMES = {
    __proto__: null,
    encrypt: "EncryptAlgorithm", decrypt: "EncryptAlgorithm", wrapKey: "EncryptAlgorithm", unwrapKey: "EncryptAlgorithm",
    sign: "SignAlgorithm", verify: "SignAlgorithm", digest: "HashAlgorithm", generateKey: "GenerateKeyAlgorithm",
    deriveBits: "DeriveKeyAlgorithm", importKey: "ImportKeyAlgorithm", getKeyLength: "ImportKeyAlgorithm",
  };

  // Converters of the members of dictionaries.
  const octet = unsigned(255);
  const short = unsigned(65535);
  const long = unsigned(4294967295);
  const string = (value) => `${value}`;
  // Of `tagLength`: the public tests and Workers have the operation fail where Web IDL's octet would throw a TypeError.
  const number = (value) => trunc(+value);
  const wrongType = (member, operation, type) => new TypeError(
    `Incorrect type for the '${member}' field on '${NAMES[operation]}': the provided value is not of type '${type}'.`);
  const buffer = (value, member, operation) => {
    const plain = bytes(value);
    if (plain === undefined) throw wrongType(member, operation, "BufferSource");
    return new Uint8Array(native.copy(plain));
  };
  const bigInteger = (value, member, operation) => {
    if (!isObject(value) || typedArrayTag(value) !== "Uint8Array") throw wrongType(member, operation, "Uint8Array");
    return new Uint8Array(native.copy(bytes(value)));
  };
  const cryptoKey = (value, member, operation) => {
    if (slotsOf(value) === undefined) throw wrongType(member, operation, "CryptoKey");
    return value;
  };
  // Converted after all members were read: `normalize` recurses.
  const hash = (value) => (isObject(value) ? value : `${value}`);

  const REQUIRED = true;
  const OPTIONAL = false;
  // MD5 is for what is old already: not for new keys, and not for signatures.
  const HASH = ["hash", hash, REQUIRED, false];
  const OLD_HASH = ["hash", hash, REQUIRED, true];

  // The members of each dictionary in the order of their conversion: inherited ones first, then by name. `name` was read.
  const dictionaries = {
    __proto__: null,
    Algorithm: [],
    AesCbcParams: [["iv", buffer, REQUIRED]],
    AesCtrParams: [["counter", buffer, REQUIRED], ["length", octet, REQUIRED]],
    AesDerivedKeyParams: [["length", short, REQUIRED]],
    AesGcmParams: [["additionalData", buffer, OPTIONAL], ["iv", buffer, REQUIRED], ["tagLength", number, OPTIONAL]],
    AesKeyGenParams: [["length", short, REQUIRED]],
    EcKeyGenParams: [["namedCurve", string, REQUIRED]],
    EcKeyImportParams: [["namedCurve", string, REQUIRED]],
    EcdhKeyDeriveParams: [["public", cryptoKey, REQUIRED]],
    EcdsaParams: [HASH],
    HkdfParams: [OLD_HASH, ["info", buffer, REQUIRED], ["salt", buffer, REQUIRED]],
    HmacImportParams: [OLD_HASH, ["length", long, OPTIONAL]],
    HmacKeyGenParams: [HASH, ["length", long, OPTIONAL]],
    Pbkdf2Params: [OLD_HASH, ["iterations", long, REQUIRED], ["salt", buffer, REQUIRED]],
    RsaHashedImportParams: [HASH],
    RsaHashedKeyGenParams: [["modulusLength", long, REQUIRED], ["publicExponent", bigInteger, REQUIRED], HASH],
    RsaOaepParams: [["label", buffer, OPTIONAL]],
    RsaPssParams: [["saltLength", long, REQUIRED]],
  };

  // Operation → lower-case name → { name, members, implementation }.
  const registry = new Map();

  // Adds an algorithm: `operations` names the dictionary that each of its operations takes.
  const register = (name, operations, implementation) => {
    for (const operation in operations) {
      let table = mapGet(registry, operation);
      if (table === undefined) mapSet(registry, operation, (table = new Map()));
      const members = dictionaries[operations[operation]];
      mapSet(table, toLowerCase(name), { __proto__: null, name, members, implementation });
    }
  };

  const isAscii = (text) => {
    for (let i = 0; i < text.length; i++) {
      if (charCodeAt(text, i) > 127) return false;
    }
    return true;
  };

  const readName = (source) => {
    const { name } = source;
    if (name === undefined) throw new TypeError("Missing field \"name\" in \"algorithm\".");
    return `${name}`;
  };

  const unknown = (operation, name) => {
    if (operation === "digest") {
      return error("Unrecognized or unimplemented digest algorithm requested.", "NotSupportedError");
    }
    const what = operation === "importKey" ? "key import" : operation;
    return error(`Unrecognized ${what} algorithm "${name}" requested.`, "NotSupportedError");
  };

  // The dictionary of `algorithm` for `operation`: canonical `name`, converted members, and the `implementation`.
  const normalize = (operation, algorithm) => {
    const given = isObject(algorithm);
    const source = given ? algorithm : { __proto__: null, name: `${algorithm}` };
    const name = readName(source);
    // ASCII case alone is ignored: the long s of Unicode is no S.
    const entry = isAscii(name) ? mapGet(mapGet(registry, operation), toLowerCase(name)) : undefined;
    if (entry === undefined) throw unknown(operation, name);
    // The specification converts the object twice: to Algorithm before, and now to the dictionary that is meant.
    if (given) readName(source);
    const result = { __proto__: null, name: entry.name, implementation: entry.implementation };
    const { members } = entry;
    let old = false;
    for (let i = 0; i < members.length; i++) {
      const [member, convert, required, allowsOld] = members[i];
      if (allowsOld) old = true;
      const value = source[member];
      if (value !== undefined) result[member] = convert(value, member, operation);
      else if (required) throw new TypeError(`Missing field "${member}" in "algorithm".`);
    }
    if (result.hash !== undefined) {
      result.hash = normalize("digest", result.hash).name;
      if (result.hash === "MD5" && !old) throw unknown("digest", "MD5");
    }
    return result;
  };

  // The hash functions are algorithms too.
  const digest = {
    __proto__: null,
    digest: (algorithm, data, done, fail) => native.digest(algorithm.name, data, done, fail),
  };
  const HASHES = ["SHA-1", "SHA-256", "SHA-384", "SHA-512", "MD5"];
  for (let i = 0; i < HASHES.length; i++) register(HASHES[i], { __proto__: null, digest: "Algorithm" }, digest);

  // The block size of a hash function in bits: how long an HMAC key is by default.
  const blockBits = (name) => (name === "SHA-384" || name === "SHA-512" ? 1024 : 512);

  Object.assign(shared.crypto, { blockBits, enforce, isObject, normalize, register });
})
