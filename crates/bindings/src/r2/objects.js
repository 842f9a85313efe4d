// What a bucket says of its objects: HeadResult, GetResult (R2Object, R2ObjectBody in upstream's documentation).
(function (native, shared) {
  "use strict";

  const { TypeError, construct, defineProperty, getOwnPropertyDescriptor, isArray, uncurryThis } = shared.primordials;
  const { interfaceOf } = shared.webidl;
  const { then } = shared.promises;
  const { blobData, make } = shared.fileApi;
  const { DIGESTS, FIELDS, HEADERS, INTERNAL, define, illegal, isHeaders, isObject, mismatch } = native.arguments;
  const { Blob, Date, Headers, Response } = globalThis;
  const headersSet = uncurryThis(Headers.prototype.set);
  const toUTCString = uncurryThis(Date.prototype.toUTCString);
  const getter = (name) => uncurryThis(getOwnPropertyDescriptor(Response.prototype, name).get);
  const method = (name) => uncurryThis(Response.prototype[name]);
  const streamOf = getter("body"), isUsed = getter("bodyUsed");
  const readArrayBuffer = method("arrayBuffer"), readBytes = method("bytes"), readJson = method("json"), readText = method("text");

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
      if (!isObject(this) || !(#hex in this)) throw illegal();
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

  // An own property whose value is made when it is first asked for: a list has a thousand objects.
  let lazily;

  class HeadResult {
    // What the host has said (`record.rs`).
    #record;
    #made;
    static {
      lazily = (name, make) => ({
        __proto__: null, enumerable: true, configurable: true, set: undefined,
        get: function () {
          if (!isObject(this) || !(#record in this)) throw illegal();
          const made = (this.#made ??= { __proto__: null });
          return (made[name] ??= make(this.#record));
        },
      });
    }
    constructor(token, record) {
      if (token !== INTERNAL) throw new TypeError("Illegal constructor");
      this.#record = record;
      native.defineFirst(this, record);
      defineProperty(this, "customMetadata", CUSTOM_METADATA);
      defineProperty(this, "httpMetadata", HTTP_METADATA);
      defineProperty(this, "uploaded", UPLOADED);
      defineProperty(this, "checksums", CHECKSUMS);
      native.defineLast(this, record);
    }
    writeHttpMetadata(headers = undefined) {
      if (!isObject(this) || !(#record in this)) throw illegal();
      if (!isObject(headers) || !isHeaders(headers)) {
        throw mismatch("writeHttpMetadata' on 'HeadResult", 1, "Headers");
      }
      const http = native.http(this.#record);
      for (let i = 0; i < 5; i++) if (http[i] !== undefined) headersSet(headers, HEADERS[i], http[i]);
      if (http[5] !== undefined) headersSet(headers, "expires", toUTCString(new Date(http[5])));
    }
  }

  const CUSTOM_METADATA = lazily("custom", (record) => toCustomMetadata(native.custom(record)));
  const HTTP_METADATA = lazily("http", (record) => toHttpMetadata(native.http(record)));
  const UPLOADED = lazily("uploaded", (record) => new Date(native.uploaded(record)));
  const CHECKSUMS = lazily("checksums", (record) => new Checksums(INTERNAL, native.checksums(record)));

  class GetResult extends HeadResult {
    #response;
    #record;
    constructor(token, record, response) {
      super(token, record);
      this.#response = response;
      this.#record = record;
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
      const type = native.http(this.#record)[0] ?? "";
      return then(readArrayBuffer(response), (buffer) => make(blobData(construct(Blob, [[buffer]])), type));
    }
  }

  interfaceOf(Checksums, "Checksums");
  interfaceOf(HeadResult, "HeadResult");
  interfaceOf(GetResult, "GetResult");

  // Of what the host has answered: nothing, an object, or one and a response that has its value.
  return (answer) => {
    if (answer === null) return null;
    return isArray(answer) ? new GetResult(INTERNAL, answer[0], answer[1]) : new HeadResult(INTERNAL, answer);
  };
})
