(function (native, shared) {
  "use strict";

  const {
    RangeError, TypeError, stringSlice, typedArrayLength, typedArraySet, typedArrayTag,
  } = shared.primordials;
  const { bytes, dictionary, expose, requireArguments, usv } = shared.webidl;

  class TextEncoder {
    #brand = true;

    get encoding() {
      if (!(#brand in this)) throw new TypeError("Illegal invocation");
      return "utf-8";
    }

    encode(input = "") {
      if (!(#brand in this)) throw new TypeError("Illegal invocation");
      return native.encode(usv(input));
    }

    encodeInto(source, destination) {
      if (!(#brand in this)) throw new TypeError("Illegal invocation");
      requireArguments(arguments.length, 2, "encodeInto' on 'TextEncoder", arguments.length === 0 ? "string" : "Uint8Array");
      const text = `${source}`;
      if (typedArrayTag(destination) !== "Uint8Array") {
        throw new TypeError("Failed to execute 'encodeInto' on 'TextEncoder': parameter 2 is not of type 'Uint8Array'.");
      }
      const capacity = typedArrayLength(destination);
      // Every UTF-16 unit needs a byte at least. A surrogate pair cut here would not have fitted.
      const { 0: read, 1: encoded } = native.encodeInto(usv(stringSlice(text, 0, capacity)), capacity);
      // Into a detached array nothing fits, but even that cannot be set.
      if (typedArrayLength(encoded) > 0) typedArraySet(destination, encoded);
      return { read, written: typedArrayLength(encoded) };
    }
  }

  class TextDecoder {
    #encoding;
    #fatal;
    #ignoreBOM;
    #decode;

    constructor(label = "utf-8", options = {}) {
      const name = `${label}`;
      const { fatal = false, ignoreBOM = false } = dictionary(options, "The options of TextDecoder");
      this.#fatal = !!fatal;
      this.#ignoreBOM = !!ignoreBOM;
      const found = native.decoder(usv(name), this.#fatal, this.#ignoreBOM);
      if (!found) throw new RangeError(`"${name}" is not a valid encoding.`);
      this.#encoding = found[0];
      this.#decode = found[1];
    }

    get encoding() {
      return this.#encoding;
    }
    get fatal() {
      return this.#fatal;
    }
    get ignoreBOM() {
      return this.#ignoreBOM;
    }

    decode(input = undefined, options = {}) {
      const decode = this.#decode;
      let source;
      if (input !== undefined) {
        source = bytes(input);
        if (source === undefined) {
          throw new TypeError("Failed to execute 'decode' on 'TextDecoder': parameter 1 is not of type 'ArrayBuffer or ArrayBufferView'.");
        }
      }
      const { stream = false } = dictionary(options, "The options of decode()");
      return decode(source, !!stream);
    }
  }

  shared.encoding = { __proto__: null, decoder: native.decoder, encode: native.encode };

  expose(TextEncoder, "TextEncoder");
  expose(TextDecoder, "TextDecoder");
})
