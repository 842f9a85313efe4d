// R2MultipartUpload: an object that is uploaded in parts.
(function (native, shared) {
  "use strict";

  const { TypeError, isArray } = shared.primordials;
  const { interfaceOf, requireArguments } = shared.webidl;
  const { then } = shared.promises;
  const {
    INTERNAL, VALUE, bytesOrText, checkKey, define, illegal, integer, isObject, isValue, mismatch, optionsOf, promising, text,
    valueOf, wrongElement,
  } = native.arguments;
  const { objectOf } = native;

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

  interfaceOf(R2MultipartUpload, "R2MultipartUpload");

  return (channel, key, id) => new R2MultipartUpload(INTERNAL, channel, key, id);
})
