// What the classes of R2 have in common: the conversions and checks that workerd itself makes, in its order and with its
// words. `null` is as good as `undefined` for every option, since that is what Python's `None` comes as.
(function (native, shared) {
  "use strict";

  const {
    Error, RangeError, String, TypeError, Uint8Array, construct, dateGetTime, defineProperty, endsWith,
    getOwnPropertyDescriptor, indexOf, isArray, isInteger, ownKeys, regExpExec, startsWith, stringSlice, trunc,
    typedArrayByteLength, uncurryThis,
  } = shared.primordials;
  const { bytes: bytesOf } = shared.webidl;
  const { rejected } = shared.promises;
  const { isStream } = shared.streams;
  const { isBlob } = shared.fileApi;
  const { Date, Headers, Response } = globalThis;
  const headersGet = uncurryThis(Headers.prototype.get);

  const isAbsent = (value) => value === undefined || value === null;
  const isObject = (value) => (typeof value === "object" && value !== null) || typeof value === "function";

  const text = (value) => {
    if (typeof value === "string") return value;
    if (typeof value === "symbol") throw new TypeError("Cannot convert a Symbol value to a string");
    return String(value);
  };

  const mismatch = (operation, index, type) =>
    new TypeError(`Failed to execute '${operation}': parameter ${index} is not of type '${type}'.`);

  const wrongField = (field, owner, type) =>
    new TypeError(`Incorrect type for the '${field}' field on '${owner}': the provided value is not of type '${type}'.`);

  const wrongElement = (index, type) =>
    new TypeError(`Incorrect type for array element ${index}: the provided value is not of type '${type}'.`);

  // The options of a method: an empty object if there are none.
  const optionsOf = (value, operation, index, type) => {
    if (isAbsent(value)) return undefined;
    if (!isObject(value)) throw mismatch(operation, index, type);
    return value;
  };

  // `Number` would take a BigInt, which whole numbers of Python beyond 2^53 are.
  const toNumber = (value) => {
    if (typeof value === "bigint" || typeof value === "symbol") {
      throw new TypeError(`Cannot convert a ${typeof value === "bigint" ? "BigInt" : "Symbol"} value to a number`);
    }
    return +value;
  };
  const double = (value) => (isAbsent(value) ? undefined : toNumber(value));

  // A 32-bit integer.
  const integer = (value) => {
    const number = toNumber(value);
    if (number !== number || number === Infinity || number === -Infinity) return 0;
    if (number < -2147483648 || number > 2147483647) {
      throw new TypeError("Value out of range. Must be between -2147483648 and 2147483647 (inclusive).");
    }
    return trunc(number) + 0;
  };

  // A string that is one already.
  const strictText = (value, field, owner) => {
    if (isAbsent(value)) return undefined;
    if (typeof value !== "string") throw wrongField(field, owner, "string");
    return value;
  };

  // Milliseconds of a Date or number.
  const moment = (value, field, owner) => {
    if (isAbsent(value)) return undefined;
    let time = value;
    if (typeof value !== "number") {
      try {
        time = dateGetTime(value);
      } catch {
        throw wrongField(field, owner, "date");
      }
    }
    if (time !== time || time === Infinity || time === -Infinity) {
      throw new TypeError("The value cannot be converted because it is not a valid Date.");
    }
    return trunc(time);
  };

  // A date of an HTTP header; one that can't be read says nothing.
  const headerDate = (value) => {
    if (value === null) return undefined;
    const time = dateGetTime(new Date(value));
    return time === time ? time : undefined;
  };

  const isHeaders = (value) => {
    try {
      headersGet(value, "range");
      return true;
    } catch {
      return false;
    }
  };

  // Bytes of a buffer, or a string.
  const bytesOrText = (value, field, owner) => {
    if (isAbsent(value) || typeof value === "string") return value ?? undefined;
    const bytes = isObject(value) ? bytesOf(value) : undefined;
    if (bytes === undefined) throw wrongField(field, owner, "JsBufferSource or string");
    return new Uint8Array(bytes);
  };

  const isHex = (string, pattern) => regExpExec(pattern, string) !== null;
  const HEX = /^[0-9a-fA-F]*$/, LOWER_HEX = /^[0-9a-f]+$/;

  // Values are not encrypted here; that a key is one is checked all the same.
  const checkKey = (key) => {
    if (key === undefined) return;
    if (typeof key === "string") {
      if (!isHex(key, LOWER_HEX)) throw new Error("SSE-C Key has invalid format");
      if (key.length !== 64) throw new Error("SSE-C Key must be 32 bytes in length");
    } else if (typedArrayByteLength(key) !== 32) {
      throw new Error("SSE-C Key must be 32 bytes in length");
    }
  };

  // The etags of a header, as [kind, value]: 0 any, 1 strong, 2 weak.
  const headerEtags = (header, name) => {
    if (header === null) return undefined;
    const etags = [];
    const next = (what, from) => {
      const at = indexOf(header, what, from);
      return at < 0 ? Infinity : at;
    };
    let at = 0, needsComma = false;
    for (;;) {
      const wildcard = next("*", at), quote = next('"', at), weak = next("W", at), comma = next(",", at);
      if (quote === Infinity && wildcard === Infinity) break;
      if (comma < wildcard && comma < quote && comma < weak) {
        at = comma + 1;
        needsComma = false;
        continue;
      }
      if (needsComma) {
        const found = wildcard < quote && wildcard < weak
          ? "a wildcard character '*' instead."
          : quote < weak
            ? "a double quote character '\"' instead. This would otherwise indicate the start of a new strong etag."
            : "a weak quotation character 'W' instead. This would otherwise indicate the start of a new weak etag.";
        throw new Error(`Comma was expected to separate etags. Encountered ${found}`);
      }
      if (wildcard < quote) return [[0, ""]];
      const end = next('"', quote + 1);
      if (end === Infinity) throw new Error("Unclosed double quote for Etag");
      const value = stringSlice(header, quote + 1, end);
      if (weak < quote && (weak + 2 !== quote || header[weak + 1] !== "/")) {
        throw new Error("Weak etags must start with W/ and their value must be quoted");
      }
      etags[etags.length] = [weak < quote ? 2 : 1, value];
      at = end + 1;
      needsComma = true;
    }
    if (etags.length === 0) throw new Error(`Invalid ETag in ${name} header`);
    return etags;
  };

  const oneEtag = (etag) => {
    if (etag === undefined) return undefined;
    if (startsWith(etag, '"') && endsWith(etag, '"')) {
      throw new TypeError(`Conditional ETag should not be wrapped in quotes (${etag}).`);
    }
    return [etag === "*" ? [0, ""] : [1, etag]];
  };

  // What must be true of an object: a function that checks what was converted.
  const conditionOf = (value, owner) => {
    if (isAbsent(value)) return undefined;
    if (!isObject(value)) throw wrongField("onlyIf", owner, "Conditional or Headers");
    if (isHeaders(value)) {
      return () => ({
        __proto__: null,
        etagMatches: headerEtags(headersGet(value, "if-match"), "if-match"),
        etagDoesNotMatch: headerEtags(headersGet(value, "if-none-match"), "if-none-match"),
        uploadedAfter: headerDate(headersGet(value, "if-modified-since")),
        uploadedBefore: headerDate(headersGet(value, "if-unmodified-since")),
        seconds: true,
      });
    }
    const matches = strictText(value.etagMatches, "etagMatches", "Conditional");
    const doesNotMatch = strictText(value.etagDoesNotMatch, "etagDoesNotMatch", "Conditional");
    const uploadedBefore = moment(value.uploadedBefore, "uploadedBefore", "Conditional");
    const uploadedAfter = moment(value.uploadedAfter, "uploadedAfter", "Conditional");
    const seconds = !!value.secondsGranularity;
    return () => ({
      __proto__: null,
      etagMatches: oneEtag(matches),
      etagDoesNotMatch: oneEtag(doesNotMatch),
      uploadedAfter, uploadedBefore, seconds,
    });
  };

  const printed = (number) => (number === number ? String(number) : "nan");

  const checkSpan = (number, what) => {
    if (!(number >= 0)) {
      throw new RangeError(`Invalid ${what === "Suffix" ? "suffix" : "range"}. ${what} (${printed(number)}) must be greater than or equal to 0.`);
    }
    if (!isInteger(number)) {
      throw new RangeError(`Invalid range. ${what} (${printed(number)}) must be an integer, not floating point.`);
    }
  };

  // Which bytes: as conditionOf.
  const rangeOf = (value) => {
    if (isAbsent(value)) return undefined;
    if (!isObject(value)) throw wrongField("range", "GetOptions", "Range or Headers");
    if (isHeaders(value)) {
      return () => {
        const header = headersGet(value, "range");
        return header === null ? undefined : { __proto__: null, header };
      };
    }
    const offset = double(value.offset), length = double(value.length), suffix = double(value.suffix);
    return () => {
      if (offset !== undefined) checkSpan(offset, "Starting offset");
      if (length !== undefined) checkSpan(length, "Length");
      if (suffix !== undefined) {
        if (offset !== undefined) throw new TypeError("Suffix is incompatible with offset.");
        if (length !== undefined) throw new TypeError("Suffix is incompatible with length.");
        checkSpan(suffix, "Suffix");
      }
      return { __proto__: null, offset, length, suffix };
    };
  };

  // HTTP metadata as it travels: five texts and a moment.
  const FIELDS = ["contentType", "contentLanguage", "contentDisposition", "contentEncoding", "cacheControl"];
  const HEADERS = ["content-type", "content-language", "content-disposition", "content-encoding", "cache-control"];

  const httpMetadataOf = (value, owner) => {
    if (isAbsent(value)) return undefined;
    if (!isObject(value)) throw wrongField("httpMetadata", owner, "HttpMetadata or Headers");
    const http = [];
    if (isHeaders(value)) {
      for (let i = 0; i < 5; i++) http[i] = headersGet(value, HEADERS[i]) ?? undefined;
      http[5] = headerDate(headersGet(value, "expires"));
      return http;
    }
    for (let i = 0; i < 5; i++) {
      const field = value[FIELDS[i]];
      http[i] = isAbsent(field) ? undefined : text(field);
    }
    http[5] = moment(value.cacheExpiry, "cacheExpiry", "HttpMetadata");
    return http;
  };

  // Custom metadata as it travels: names and values in turn.
  const customMetadataOf = (value, owner) => {
    if (isAbsent(value)) return undefined;
    if (!isObject(value) || isArray(value)) throw wrongField("customMetadata", owner, "object");
    const keys = ownKeys(value);
    const custom = [];
    for (let i = 0; i < keys.length; i++) {
      const key = keys[i];
      if (typeof key !== "string" || !getOwnPropertyDescriptor(value, key)?.enumerable) continue;
      custom[custom.length] = key;
      custom[custom.length] = text(value[key]);
    }
    return custom;
  };

  const DIGESTS = [["md5", "MD5", 16], ["sha1", "SHA-1", 20], ["sha256", "SHA-256", 32], ["sha384", "SHA-384", 48], ["sha512", "SHA-512", 64]];

  // The one digest that is given, as [algorithm, bytes or hexadecimal digits].
  const checksumOf = (given) => {
    let checksum;
    for (let i = 0; i < DIGESTS.length; i++) {
      const digest = given[i];
      if (digest === undefined) continue;
      const name = DIGESTS[i][1], length = DIGESTS[i][2];
      if (checksum !== undefined) throw new TypeError("You cannot specify multiple hashing algorithms.");
      if (typeof digest === "string") {
        if (digest.length !== length * 2) {
          throw new TypeError(`${name} is ${length * 2} hex characters, not ${digest.length}`);
        }
        if (!isHex(digest, HEX)) throw new TypeError(`Provided ${name} wasn't a valid hex string`);
      } else if (typedArrayByteLength(digest) !== length) {
        throw new TypeError(`${name} is ${length} bytes, not ${typedArrayByteLength(digest)}`);
      }
      checksum = [i, digest];
    }
    return checksum;
  };

  // A value to store: a string, or a Response with it as its body. Only a stream of known length can be one.
  const VALUE = "ReadableStream or ArrayBuffer or ArrayBufferView or string or Blob";
  const isValue = (value) =>
    typeof value === "string" || (isObject(value) && (isStream(value) || bytesOf(value) !== undefined || isBlob(value)));
  const valueOf = (value) => {
    if (isAbsent(value)) return undefined;
    return typeof value === "string" ? value : construct(Response, [value]);
  };

  // What `begin` gives, or a promise rejected with what it throws.
  const promising = (begin) => {
    try {
      return begin();
    } catch (error) {
      return rejected(error);
    }
  };

  const illegal = () => new TypeError("Illegal invocation: function called with incorrect `this` reference.");

  const define = (object, name, value) => {
    defineProperty(object, name, { __proto__: null, value, writable: false, enumerable: true, configurable: true });
  };

  return {
    __proto__: null, DIGESTS, FIELDS, HEADERS, VALUE, bytesOrText, checkKey, checksumOf, conditionOf, customMetadataOf, define,
    httpMetadataOf, illegal, integer, isAbsent, isHeaders, isObject, isValue, mismatch, optionsOf, promising, rangeOf,
    strictText, text, valueOf, wrongElement, wrongField,
    // The right to make objects of these classes.
    INTERNAL: {},
  };
})
