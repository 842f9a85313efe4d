// IdentityTransformStream and FixedLengthStream, which Workers have beside the standard:
// https://developers.cloudflare.com/workers/runtime-apis/streams/transformstream/
(function (native, shared) {
  "use strict";

  const { TypeError, min, trunc } = shared.primordials;
  const { expose, requireConstructorArguments } = shared.webidl;
  const { INTERNAL, isObject } = shared.streamArguments;
  const { native: bytes, newChannel, newIdentity } = shared.streams;
  const { TransformStream } = shared.transforms;
  const { BigInt, Number } = globalThis;
  const { isNaN } = Number;

  // An unsigned integer of 64 bits, of which no more than 53 are used.
  const unsigned = (value) => {
    if (typeof value !== "bigint") value = trunc(+value);
    if (isNaN(value)) throw new TypeError("The value cannot be converted because it is not an integer.");
    if (value < 0) throw new TypeError("The value cannot be converted because it is negative and this API expects a positive bigint.");
    return value > 9007199254740992 ? 9007199254740992 : Number(value);
  };

  const markOf = (strategy, name, position) => {
    if (strategy === undefined || strategy === null) return undefined;
    if (!isObject(strategy)) {
      throw new TypeError(`Failed to construct '${name}': constructor parameter ${position} is not of type 'QueuingStrategy'.`);
    }
    const mark = strategy.highWaterMark;
    return mark === undefined ? undefined : unsigned(mark);
  };

  class IdentityTransformStream extends TransformStream {
    constructor(queuingStrategy = undefined, channel = undefined) {
      if (queuingStrategy !== INTERNAL) channel = newIdentity(markOf(queuingStrategy, "IdentityTransformStream", 1));
      super(INTERNAL, channel);
    }
  }

  class FixedLengthStream extends IdentityTransformStream {
    constructor(expectedLength, queuingStrategy = undefined) {
      requireConstructorArguments(arguments.length, 1, "FixedLengthStream", "bigint");
      const length = unsigned(expectedLength);
      const mark = markOf(queuingStrategy, "FixedLengthStream", 2);
      if (length >= 9007199254740992) throw new TypeError("FixedLengthStream requires an integer expected length less than 2^53.");
      const channel = newChannel(bytes.unchanged(length), true, mark === undefined ? undefined : min(mark, length));
      channel.readable.length = length;
      super(INTERNAL, channel);
    }
  }

  expose(IdentityTransformStream, "IdentityTransformStream");
  expose(FixedLengthStream, "FixedLengthStream");
})
