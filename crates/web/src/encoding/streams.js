// TextEncoderStream and TextDecoderStream: https://encoding.spec.whatwg.org/#interface-textdecoderstream
(function (native, shared) {
  "use strict";

  const { RangeError, TypeError, Uint8Array, charCodeAt, stringSlice } = shared.primordials;
  const { bytes, dictionary, expose, usv } = shared.webidl;
  const { done, rejected } = shared.promises;
  const { native: { takeText }, objectOf } = shared.streams;
  const { objectOf: writableObject } = shared.writables;
  const { enqueue, isTaken, newTransform, start } = shared.transforms;
  const { decoder, encode } = shared.encoding;

  // `transform(state, chunk)` and `flush(state)` may throw.
  const newState = (transform, flush) => {
    const state = newTransform(1, null, 0, null);
    const settled = (f, chunk) => {
      try {
        f(state, chunk);
        return done;
      } catch (error) {
        return rejected(error);
      }
    };
    state.transform = (chunk) => settled(transform, chunk);
    state.flush = () => settled(flush, undefined);
    state.cancel = () => done;
    start(state, undefined);
    return state;
  };

  class TextEncoderStream {
    #state;
    // The first half of a surrogate pair whose second half may come with the next chunk.
    #half = "";

    constructor() {
      this.#state = newState((state, chunk) => {
        let text = this.#half + (typeof chunk === "string" ? chunk : `${chunk}`);
        this.#half = "";
        const last = text.length - 1;
        const unit = last < 0 ? 0 : charCodeAt(text, last);
        if (unit >= 0xd800 && unit <= 0xdbff) {
          this.#half = text[last];
          text = stringSlice(text, 0, last);
        }
        if (text !== "") enqueue(state, encode(usv(text)));
      }, (state) => {
        if (this.#half !== "") enqueue(state, new Uint8Array([0xef, 0xbf, 0xbd]));
      });
      const state = this.#state;
      // A long text would be converted twice.
      state.writable.pass = (chunk) => typeof chunk === "string" && chunk.length < 4096 && this.#half === ""
        && isTaken(state, takeText, chunk);
    }

    get encoding() {
      if (!(#state in this)) throw new TypeError("Illegal invocation");
      return "utf-8";
    }
    get readable() { return objectOf(this.#state.readable); }
    get writable() { return writableObject(this.#state.writable); }
  }

  class TextDecoderStream {
    #encoding;
    #fatal;
    #ignoreBOM;
    #state;

    constructor(label = "utf-8", options = {}) {
      const name = `${label}`;
      const { fatal = false, ignoreBOM = false } = dictionary(options, "The options of TextDecoderStream");
      this.#fatal = !!fatal;
      this.#ignoreBOM = !!ignoreBOM;
      const found = decoder(usv(name), this.#fatal, this.#ignoreBOM);
      if (!found) throw new RangeError(`"${name}" is not a valid encoding.`);
      this.#encoding = found[0];
      const decode = found[1];
      const give = (state, text) => {
        if (text !== "") enqueue(state, text);
      };
      this.#state = newState((state, chunk) => {
        const source = bytes(chunk);
        if (source === undefined) throw new TypeError("The chunk to decode is not an ArrayBuffer or a view of one.");
        give(state, decode(source, true));
      }, (state) => { give(state, decode(undefined, false)); });
    }

    get encoding() { return this.#encoding; }
    get fatal() { return this.#fatal; }
    get ignoreBOM() { return this.#ignoreBOM; }
    get readable() { return objectOf(this.#state.readable); }
    get writable() { return writableObject(this.#state.writable); }
  }

  expose(TextEncoderStream, "TextEncoderStream");
  expose(TextDecoderStream, "TextDecoderStream");
})
