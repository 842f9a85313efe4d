// R2Bucket: https://developers.cloudflare.com/r2/api/workers/workers-api-reference/
//
// What is converted and checked here, workerd converts and checks itself; all else is the host's.
(function (native, shared) {
  "use strict";

  const { RangeError, TypeError, isArray } = shared.primordials;
  const { interfaceOf, requireArguments } = shared.webidl;
  const { then } = shared.promises;
  const {
    DIGESTS, INTERNAL, VALUE, bytesOrText, checkKey, checksumOf, conditionOf, customMetadataOf, httpMetadataOf, illegal,
    integer, isAbsent, isObject, isValue, mismatch, optionsOf, promising, rangeOf, strictText, text, valueOf, wrongElement,
    wrongField,
  } = native.arguments;
  const { objectOf, uploadOf } = native;

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
          (id) => uploadOf(this.#channel, request.key, id),
        );
      });
    }
    resumeMultipartUpload(key = undefined, uploadId = undefined) {
      if (!isObject(this) || !(#channel in this)) throw illegal();
      requireArguments(arguments.length, 2, "resumeMultipartUpload' on 'R2Bucket");
      return uploadOf(this.#channel, text(key), text(uploadId));
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

  interfaceOf(R2Bucket, "R2Bucket");

  return (channel) => new R2Bucket(INTERNAL, channel);
})
