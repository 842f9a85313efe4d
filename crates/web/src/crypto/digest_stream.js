// crypto.DigestStream: a WritableStream that hashes what is written to it. Not of the specification: Workers have it.
(function (_, shared) {
  "use strict";

  const { BigInt, TypeError, defineProperty } = shared.primordials;
  const { bytes, interfaceOf, requireConstructorArguments } = shared.webidl;
  const { deferred, markHandled } = shared.promises;
  const { WritableStream } = shared.writables;
  const { isObject, native, normalize } = shared.crypto;

  class DigestStream extends WritableStream {
    #digest = deferred();
    #written = 0;
    constructor(algorithm) {
      requireConstructorArguments(arguments.length, 1, "DigestStream", "string or HashAlgorithm");
      const { name } = normalize("digest", isObject(algorithm) ? algorithm : `${algorithm}`);
      const hasher = native.hasher(name);
      super({
        __proto__: null,
        write: (chunk) => {
          const plain = typeof chunk === "string" ? native.utf8(chunk) : bytes(chunk);
          if (plain === undefined) {
            const error = new TypeError(
              "DigestStream is a byte stream but received an object of non-ArrayBuffer/ArrayBufferView/string type on its writable side.");
            this.#digest.reject(error);
            throw error;
          }
          native.hasherUpdate(hasher, plain);
          this.#written += native.byteLength(plain);
        },
        close: () => {
          this.#digest.resolve(native.hasherFinish(hasher));
        },
        abort: (reason) => {
          this.#digest.reject(reason);
        },
      });
      // Who looks at the writer alone must not hear of the digest's failure as unhandled.
      markHandled(this.#digest.promise);
    }
    get digest() {
      return this.#digest.promise;
    }
    get bytesWritten() {
      return BigInt(this.#written);
    }
  }
  interfaceOf(DigestStream, "DigestStream");
  defineProperty(shared.crypto.Crypto.prototype, "DigestStream", {
    __proto__: null, value: DigestStream, writable: true, enumerable: true, configurable: true,
  });
})
