// The queuing strategies: https://streams.spec.whatwg.org/#qs
(function (native, shared) {
  "use strict";

  const { TypeError } = shared.primordials;
  const { expose } = shared.webidl;
  const { Number } = globalThis;
  const { illegal, isObject } = shared.streamArguments;

  const byteLength = { size(chunk) { return chunk.byteLength; } }.size;
  const count = { size() { return 1; } }.size;

  const initMark = (init, name) => {
    const mark = isObject(init) ? init.highWaterMark : undefined;
    if (mark === undefined) {
      throw new TypeError(`Failed to construct '${name}': the member 'highWaterMark' is required.`);
    }
    return Number(mark);
  };

  class ByteLengthQueuingStrategy {
    #mark;
    static #is(value) { return isObject(value) && #mark in value; }
    constructor(init) { this.#mark = initMark(init, "ByteLengthQueuingStrategy"); }
    get highWaterMark() {
      if (!ByteLengthQueuingStrategy.#is(this)) throw illegal();
      return this.#mark;
    }
    get size() {
      if (!ByteLengthQueuingStrategy.#is(this)) throw illegal();
      return byteLength;
    }
  }

  class CountQueuingStrategy {
    #mark;
    static #is(value) { return isObject(value) && #mark in value; }
    constructor(init) { this.#mark = initMark(init, "CountQueuingStrategy"); }
    get highWaterMark() {
      if (!CountQueuingStrategy.#is(this)) throw illegal();
      return this.#mark;
    }
    get size() {
      if (!CountQueuingStrategy.#is(this)) throw illegal();
      return count;
    }
  }

  expose(ByteLengthQueuingStrategy, "ByteLengthQueuingStrategy");
  expose(CountQueuingStrategy, "CountQueuingStrategy");
})
