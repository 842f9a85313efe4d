// Buffers and the views of them, read and made through intrinsics alone.
(function (native, shared) {
  "use strict";

  const {
    TypeError, Uint8Array, bufferDetached, bufferResizable, bufferTransfer,
    dataViewBuffer, dataViewByteLength, dataViewByteOffset, typedArrayBuffer, typedArrayByteLength,
    typedArrayByteOffset, typedArrayLength, typedArraySet, typedArrayTag,
  } = shared.primordials;

  // Name → [constructor, bytes per element].
  const kinds = { __proto__: null };
  for (const name of [
    "Int8Array", "Uint8Array", "Uint8ClampedArray", "Int16Array", "Uint16Array", "Int32Array", "Uint32Array",
    "BigInt64Array", "BigUint64Array", "Float16Array", "Float32Array", "Float64Array",
  ]) kinds[name] = { __proto__: null, make: globalThis[name], elementSize: globalThis[name].BYTES_PER_ELEMENT };
  const dataView = { __proto__: null, make: globalThis.DataView, elementSize: 1 };

  // What a view shows; `length` counts elements. Throws for one of a SharedArrayBuffer or of a resizable buffer, as
  // Web IDL asks.
  const viewOf = (view) => {
    const name = typedArrayTag(view);
    const kind = name === undefined ? dataView : kinds[name];
    const buffer = name === undefined ? dataViewBuffer(view) : typedArrayBuffer(view);
    if (bufferResizable(buffer)) throw new TypeError("The view is backed by a resizable ArrayBuffer, which is not allowed.");
    if (name === undefined) {
      const detached = bufferDetached(buffer);
      const byteLength = detached ? 0 : dataViewByteLength(view);
      return { __proto__: null, kind, buffer, byteOffset: detached ? 0 : dataViewByteOffset(view), byteLength, length: byteLength };
    }
    return {
      __proto__: null, kind, buffer,
      byteOffset: typedArrayByteOffset(view), byteLength: typedArrayByteLength(view), length: typedArrayLength(view),
    };
  };

  // The bytes of a buffer in a new one; the old one is detached. Throws if it is so already.
  const transfer = (buffer) => bufferTransfer(buffer);

  const copyBytes = (to, toOffset, from, fromOffset, length) => {
    typedArraySet(new Uint8Array(to, toOffset, length), new Uint8Array(from, fromOffset, length));
  };

  // A Uint8Array with bytes of its own.
  const cloneBytes = (buffer, byteOffset, byteLength) => {
    const copy = new Uint8Array(byteLength);
    typedArraySet(copy, new Uint8Array(buffer, byteOffset, byteLength));
    return copy;
  };

  shared.views = {
    __proto__: null,
    cloneBytes, copyBytes, transfer, uint8: kinds.Uint8Array, viewOf,
  };
})
