// R2Bucket and what it answers with: https://developers.cloudflare.com/r2/api/workers/workers-api-reference/
//
// The conversions and checks that workerd itself makes, in its order and with its words; all else is the host's. `null` is
// as good as `undefined` for every option, since that is what Python's `None` comes as.
(function (native, shared) {
  "use strict";

  const {
    Error, Number, RangeError, String, TypeError, Uint8Array, construct, dateGetTime, defineProperty, endsWith,
    getOwnPropertyDescriptor, indexOf, isArray, isInteger, ownKeys, regExpExec, startsWith, stringSlice, trunc,
    typedArrayByteLength, uncurryThis,
  } = shared.primordials;
  const { bytes: bytesOf, interfaceOf, requireArguments } = shared.webidl;
  const { rejected, then } = shared.promises;
  const { isStream } = shared.streams;
  const { blobData, isBlob, make } = shared.fileApi;
  const { Blob, Date, Headers, Response } = globalThis;
  const headersGet = uncurryThis(Headers.prototype.get);
  const headersSet = uncurryThis(Headers.prototype.set);
  const toUTCString = uncurryThis(Date.prototype.toUTCString);
  const getter = (name) => uncurryThis(getOwnPropertyDescriptor(Response.prototype, name).get);
  const method = (name) => uncurryThis(Response.prototype[name]);
  const streamOf = getter("body"), isUsed = getter("bodyUsed");
  const readArrayBuffer = method("arrayBuffer"), readBytes = method("bytes"), readJson = method("json"), readText = method("text");

  const INTERNAL = {};

  // --- conversions ---

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

  const double = (value) => (isAbsent(value) ? undefined : Number(value));

  // A 32-bit integer.
  const integer = (value) => {
    const number = Number(value);
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

  // --- objects ---

  const define = (object, name, value) => {
    defineProperty(object, name, { __proto__: null, value, writable: false, enumerable: true, configurable: true });
  };

  class Checksums {
    #hex;
    // The last algorithm first, as upstream; likewise below.
    constructor(token, checksums) {
      if (token !== INTERNAL) throw new TypeError("Illegal constructor");
      const hex = this.#hex = [];
      const buffers = [];
      for (let i = 0; i < checksums.length; i += 3) {
        buffers[checksums[i]] = checksums[i + 1];
        hex[checksums[i]] = checksums[i + 2];
      }
      for (let i = DIGESTS.length - 1; i >= 0; i--) define(this, DIGESTS[i][0], buffers[i]);
    }
    toJSON() {
      if (!(#hex in this)) throw illegal();
      const json = {};
      for (let i = 0; i < DIGESTS.length; i++) json[DIGESTS[i][0]] = this.#hex[i];
      return json;
    }
  }

  const toHttpMetadata = (http) => {
    const metadata = {};
    for (let i = 0; i < 5; i++) metadata[FIELDS[i]] = http[i];
    metadata.cacheExpiry = http[5] === undefined ? undefined : new Date(http[5]);
    return metadata;
  };

  const toCustomMetadata = (custom) => {
    const metadata = {};
    for (let i = 0; i < custom.length; i += 2) {
      defineProperty(metadata, custom[i], {
        __proto__: null, value: custom[i + 1], writable: true, enumerable: true, configurable: true,
      });
    }
    return metadata;
  };

  // What the host says of an object, as `reply.rs` puts it.
  const KEY = 0, VERSION = 1, SIZE = 2, ETAG = 3, UPLOADED = 4, CHECKSUMS = 5, HTTP = 6, CUSTOM = 7, STORAGE_CLASS = 8,
    OFFSET = 9, LENGTH = 10, VALUE_OF = 11;

  class HeadResult {
    #http;
    constructor(token, raw) {
      if (token !== INTERNAL) throw new TypeError("Illegal constructor");
      this.#http = raw[HTTP];
      const offset = raw[OFFSET];
      define(this, "ssecKeyMd5", undefined);
      define(this, "storageClass", raw[STORAGE_CLASS] ?? "Standard");
      define(this, "range", offset === undefined ? undefined : { offset, length: raw[LENGTH], suffix: undefined });
      define(this, "customMetadata", toCustomMetadata(raw[CUSTOM]));
      define(this, "httpMetadata", toHttpMetadata(raw[HTTP]));
      define(this, "uploaded", new Date(raw[UPLOADED]));
      define(this, "checksums", new Checksums(INTERNAL, raw[CHECKSUMS]));
      define(this, "httpEtag", '"' + raw[ETAG] + '"');
      define(this, "etag", raw[ETAG]);
      define(this, "size", raw[SIZE]);
      define(this, "version", raw[VERSION]);
      define(this, "key", raw[KEY]);
    }
    writeHttpMetadata(headers = undefined) {
      if (!isObject(this) || !(#http in this)) throw illegal();
      if (!isObject(headers) || !isHeaders(headers)) {
        throw mismatch("writeHttpMetadata' on 'HeadResult", 1, "Headers");
      }
      const http = this.#http;
      for (let i = 0; i < 5; i++) if (http[i] !== undefined) headersSet(headers, HEADERS[i], http[i]);
      if (http[5] !== undefined) headersSet(headers, "expires", toUTCString(new Date(http[5])));
    }
  }

  class GetResult extends HeadResult {
    #response;
    #type;
    constructor(token, raw) {
      super(token, raw);
      this.#response = raw[VALUE_OF];
      this.#type = raw[HTTP][0] ?? "";
    }
    static #of(object) {
      if (!isObject(object) || !(#response in object)) throw illegal();
      return object.#response;
    }
    get body() { return streamOf(GetResult.#of(this)); }
    get bodyUsed() { return isUsed(GetResult.#of(this)); }
    arrayBuffer() { return readArrayBuffer(GetResult.#of(this)); }
    bytes() { return readBytes(GetResult.#of(this)); }
    text() { return readText(GetResult.#of(this)); }
    json() { return readJson(GetResult.#of(this)); }
    blob() {
      const response = GetResult.#of(this);
      const type = this.#type;
      return then(readArrayBuffer(response), (buffer) => make(blobData(construct(Blob, [[buffer]])), type));
    }
  }

  // What the host has answered: nothing, or an object with or without its value.
  const objectOf = (raw) => {
    if (raw === null) return null;
    return raw.length > VALUE_OF ? new GetResult(INTERNAL, raw) : new HeadResult(INTERNAL, raw);
  };

  // --- buckets ---

  class R2MultipartUpload {
    #channel;
    #key;
    #id;
    constructor(token, channel, key, id) {
      if (token !== INTERNAL) throw new TypeError("Illegal constructor");
      this.#channel = channel;
      this.#key = key;
      this.#id = id;
      define(this, "uploadId", id);
      define(this, "key", key);
    }
    uploadPart(partNumber = undefined, value = undefined, options = undefined) {
      if (!isObject(this) || !(#channel in this)) throw illegal();
      const given = arguments.length;
      return promising(() => {
        const operation = "uploadPart' on 'R2MultipartUpload";
        requireArguments(given, 1, operation, "integer");
        const number = integer(partNumber);
        if (!isValue(value)) throw mismatch(operation, 2, VALUE);
        const ssecKey = bytesOrText(optionsOf(options, operation, 3, "UploadPartOptions")?.ssecKey, "ssecKey", "UploadPartOptions");
        checkNumber(number);
        checkKey(ssecKey);
        const request = { __proto__: null, key: this.#key, upload: this.#id, number };
        return then(native.send(this.#channel, "uploadPart", request, valueOf(value)), (etag) => ({ partNumber: number, etag }));
      });
    }
    abort() {
      if (!isObject(this) || !(#channel in this)) throw illegal();
      return promising(() => native.send(this.#channel, "abort", { __proto__: null, key: this.#key, upload: this.#id }));
    }
    complete(uploadedParts = undefined) {
      if (!isObject(this) || !(#channel in this)) throw illegal();
      return promising(() => {
        if (!isArray(uploadedParts)) throw mismatch("complete' on 'R2MultipartUpload", 1, "Array");
        const parts = [];
        for (let i = 0; i < uploadedParts.length; i++) {
          const part = uploadedParts[i];
          if (!isObject(part)) throw wrongElement(i, "UploadedPart");
          const number = integer(part.partNumber);
          parts[i] = [number, text(part.etag)];
        }
        for (let i = 0; i < parts.length; i++) checkNumber(parts[i][0]);
        const request = { __proto__: null, key: this.#key, upload: this.#id, parts };
        return then(native.send(this.#channel, "complete", request), objectOf);
      });
    }
  }

  const checkNumber = (number) => {
    if (number >= 1 && number <= 10000) return;
    throw new TypeError(`Part number must be between 1 and 10000 (inclusive). Actual value was: ${number}`);
  };

  class R2Bucket {
    #channel;
    constructor(token, channel) {
      if (token !== INTERNAL) throw new TypeError("Illegal constructor");
      this.#channel = channel;
    }
    head(key = undefined) {
      if (!isObject(this) || !(#channel in this)) throw illegal();
      const given = arguments.length;
      return promising(() => {
        requireArguments(given, 1, "head' on 'R2Bucket");
        return then(native.send(this.#channel, "head", { __proto__: null, key: text(key) }), objectOf);
      });
    }
    get(key = undefined, options = undefined) {
      if (!isObject(this) || !(#channel in this)) throw illegal();
      const given = arguments.length;
      return promising(() => {
        const operation = "get' on 'R2Bucket";
        requireArguments(given, 1, operation);
        const request = { __proto__: null, key: text(key), onlyIf: undefined, range: undefined };
        const bag = optionsOf(options, operation, 2, "GetOptions");
        if (bag !== undefined) {
          const onlyIf = conditionOf(bag.onlyIf, "GetOptions");
          const range = rangeOf(bag.range);
          const ssecKey = bytesOrText(bag.ssecKey, "ssecKey", "GetOptions");
          request.onlyIf = onlyIf?.();
          request.range = range?.();
          checkKey(ssecKey);
        }
        return then(native.send(this.#channel, "get", request), objectOf);
      });
    }
    put(key = undefined, value = undefined, options = undefined) {
      if (!isObject(this) || !(#channel in this)) throw illegal();
      const given = arguments.length;
      return promising(() => {
        const operation = "put' on 'R2Bucket";
        requireArguments(given, 1, operation);
        const request = {
          __proto__: null, key: text(key), onlyIf: undefined, http: undefined, custom: undefined, checksum: undefined,
          storageClass: undefined,
        };
        if (given < 2 || !(isAbsent(value) || isValue(value))) throw mismatch(operation, 2, VALUE);
        const bag = optionsOf(options, operation, 3, "PutOptions");
        if (bag !== undefined) {
          const onlyIf = conditionOf(bag.onlyIf, "PutOptions");
          request.http = httpMetadataOf(bag.httpMetadata, "PutOptions");
          request.custom = customMetadataOf(bag.customMetadata, "PutOptions");
          const digests = [];
          for (let i = 0; i < DIGESTS.length; i++) {
            digests[i] = bytesOrText(bag[DIGESTS[i][0]], DIGESTS[i][0], "PutOptions");
          }
          const { storageClass } = bag;
          if (!isAbsent(storageClass)) request.storageClass = text(storageClass);
          const ssecKey = bytesOrText(bag.ssecKey, "ssecKey", "PutOptions");
          request.onlyIf = onlyIf?.();
          request.checksum = checksumOf(digests);
          checkKey(ssecKey);
        }
        return then(native.send(this.#channel, "put", request, valueOf(value)), objectOf);
      });
    }
    createMultipartUpload(key = undefined, options = undefined) {
      if (!isObject(this) || !(#channel in this)) throw illegal();
      const given = arguments.length;
      return promising(() => {
        const operation = "createMultipartUpload' on 'R2Bucket";
        requireArguments(given, 1, operation);
        const request = { __proto__: null, key: text(key), http: undefined, custom: undefined, storageClass: undefined };
        const bag = optionsOf(options, operation, 2, "MultipartOptions");
        if (bag !== undefined) {
          request.http = httpMetadataOf(bag.httpMetadata, "MultipartOptions");
          request.custom = customMetadataOf(bag.customMetadata, "MultipartOptions");
          const { storageClass } = bag;
          if (!isAbsent(storageClass)) request.storageClass = text(storageClass);
          checkKey(bytesOrText(bag.ssecKey, "ssecKey", "MultipartOptions"));
        }
        return then(
          native.send(this.#channel, "createUpload", request),
          (id) => new R2MultipartUpload(INTERNAL, this.#channel, request.key, id),
        );
      });
    }
    resumeMultipartUpload(key = undefined, uploadId = undefined) {
      if (!isObject(this) || !(#channel in this)) throw illegal();
      requireArguments(arguments.length, 2, "resumeMultipartUpload' on 'R2Bucket");
      return new R2MultipartUpload(INTERNAL, this.#channel, text(key), text(uploadId));
    }
    delete(keys = undefined) {
      if (!isObject(this) || !(#channel in this)) throw illegal();
      const given = arguments.length;
      return promising(() => {
        requireArguments(given, 1, "delete' on 'R2Bucket", "string or Array");
        const list = [];
        if (isArray(keys)) {
          for (let i = 0; i < keys.length; i++) list[i] = text(keys[i]);
        } else {
          list[0] = text(keys);
        }
        return native.send(this.#channel, "delete", { __proto__: null, keys: list });
      });
    }
    list(options = undefined) {
      if (!isObject(this) || !(#channel in this)) throw illegal();
      return promising(() => {
        const request = {
          __proto__: null, limit: undefined, prefix: undefined, cursor: undefined, delimiter: undefined,
          startAfter: undefined, withHttp: false, withCustom: false,
        };
        const bag = optionsOf(options, "list' on 'R2Bucket", 1, "ListOptions");
        if (bag !== undefined) {
          const { limit } = bag;
          if (!isAbsent(limit)) {
            const number = integer(limit);
            // Upstream's sign for no limit.
            if (number !== -1) request.limit = number;
          }
          request.prefix = strictText(bag.prefix, "prefix", "ListOptions");
          request.cursor = strictText(bag.cursor, "cursor", "ListOptions");
          request.delimiter = strictText(bag.delimiter, "delimiter", "ListOptions");
          request.startAfter = strictText(bag.startAfter, "startAfter", "ListOptions");
          include(bag.include, request);
        }
        return then(native.send(this.#channel, "list", request), (raw) => {
          const objects = raw[0], cursor = raw[2];
          for (let i = 0; i < objects.length; i++) objects[i] = objectOf(objects[i]);
          return { objects, truncated: cursor !== undefined, cursor, delimitedPrefixes: raw[1] };
        });
      });
    }
  }

  const include = (value, request) => {
    if (isAbsent(value)) return;
    if (!isArray(value)) throw wrongField("include", "ListOptions", "Array");
    const fields = [];
    for (let i = 0; i < value.length; i++) {
      const field = value[i];
      if (typeof field !== "string") throw wrongElement(i, "string");
      fields[i] = field;
    }
    for (let i = 0; i < fields.length; i++) {
      if (fields[i] === "httpMetadata") request.withHttp = true;
      else if (fields[i] === "customMetadata") request.withCustom = true;
      else throw new RangeError(`Unsupported include value ${fields[i]}`);
    }
  };

  interfaceOf(Checksums, "Checksums");
  interfaceOf(HeadResult, "HeadResult");
  interfaceOf(GetResult, "GetResult");
  interfaceOf(R2MultipartUpload, "R2MultipartUpload");
  interfaceOf(R2Bucket, "R2Bucket");

  return (channel) => new R2Bucket(INTERNAL, channel);
})
