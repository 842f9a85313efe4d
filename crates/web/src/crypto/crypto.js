(function (native, shared) {
  "use strict";

  const {
    DOMException, TypeError, Uint8Array, isView, typedArrayBuffer, typedArrayByteLength,
    typedArrayByteOffset, typedArraySet, typedArrayTag,
  } = shared.primordials;
  const { defineGlobal, expose } = shared.webidl;
  const key = {};
  const QUOTA = 65536;

  class Crypto {
    #brand = true;
    constructor() {
      if (arguments[0] !== key) throw new TypeError("Illegal constructor");
    }

    get subtle() {
      if (!(#brand in this)) throw new TypeError("Illegal invocation");
      return shared.crypto.subtle;
    }

    getRandomValues(array) {
      if (!(#brand in this)) throw new TypeError("Illegal invocation");
      if (!isView(array)) {
        throw new TypeError("Failed to execute 'getRandomValues' on 'Crypto': parameter 1 is not of type 'ArrayBufferView'.");
      }
      switch (typedArrayTag(array)) {
        case "Int8Array": case "Uint8Array": case "Uint8ClampedArray": case "Int16Array": case "Uint16Array":
        case "Int32Array": case "Uint32Array": case "BigInt64Array": case "BigUint64Array":
          break;
        default:
          throw new DOMException(
            "ArrayBufferView argument to getRandomValues() must be an integer-typed view.", "TypeMismatchError");
      }
      const length = typedArrayByteLength(array);
      if (length > QUOTA) {
        throw new DOMException(
          `getRandomValues() only accepts buffers of size <= 64K but provided ${length} bytes.`, "QuotaExceededError");
      }
      if (length > 0) {
        const target = new Uint8Array(typedArrayBuffer(array), typedArrayByteOffset(array), length);
        typedArraySet(target, new Uint8Array(native.randomBytes(length)));
      }
      return array;
    }

    randomUUID() {
      if (!(#brand in this)) throw new TypeError("Illegal invocation");
      return native.randomUUID();
    }
  }

  expose(Crypto, "Crypto");
  shared.crypto.Crypto = Crypto;
  defineGlobal("crypto", new Crypto(key), true);
})
