(function (native, shared) {
  "use strict";

  const { expose, requireConstructorArguments, usv } = shared.webidl;
  const { newChannel, objectOf } = shared.streams;
  const { objectOf: writableObject } = shared.writables;

  class CompressionStream {
    #channel;

    constructor(format) {
      requireConstructorArguments(arguments.length, 1, "CompressionStream");
      this.#channel = newChannel(native.compressor(usv(format)));
    }

    get readable() { return objectOf(this.#channel.readable); }
    get writable() { return writableObject(this.#channel.writable); }
  }

  class DecompressionStream {
    #channel;

    constructor(format) {
      requireConstructorArguments(arguments.length, 1, "DecompressionStream");
      this.#channel = newChannel(native.decompressor(usv(format)));
    }

    get readable() { return objectOf(this.#channel.readable); }
    get writable() { return writableObject(this.#channel.writable); }
  }

  expose(CompressionStream, "CompressionStream");
  expose(DecompressionStream, "DecompressionStream");
})
