// A queue that touches nothing that hangs on Array.prototype, and the queue-with-sizes of the controllers:
// https://streams.spec.whatwg.org/#queue-with-sizes
(function (native, shared) {
  "use strict";

  const { RangeError } = shared.primordials;
  const { Number } = globalThis;
  const { Infinity } = globalThis;

  // First in, first out.
  class Queue {
    first = null;
    last = null;
    // A link to use again: most queues hold one thing at a time.
    spare = null;

    push(value, size) {
      let link = this.spare;
      if (link === null) link = { value, size, next: null };
      else {
        this.spare = null;
        link.value = value;
        link.size = size;
      }
      if (this.first === null) this.first = link; else this.last.next = link;
      this.last = link;
    }

    // Undefined if there is nothing left.
    shift() {
      const { first } = this;
      if (first === null) return undefined;
      const { next, value } = first;
      this.first = next;
      if (next === null) this.last = null;
      else first.next = null;
      first.value = undefined;
      this.spare = first;
      return value;
    }

    clear() { this.first = this.last = null; }
  }

  // `owner` has the fields `chunks` (a Queue) and `queued` (the sum of the sizes).
  const enqueueSized = (owner, value, given) => {
    const size = typeof given === "number" ? given : Number(given);
    if (!(size >= 0) || size === Infinity) {
      throw new RangeError("The return value of a queuing strategy's size function must be a finite, non-NaN, non-negative number");
    }
    owner.chunks.push(value, size);
    owner.queued += size;
  };

  const dequeueSized = (owner) => {
    owner.queued -= owner.chunks.first.size;
    // Rounding may leave less than nothing.
    if (owner.queued < 0) owner.queued = 0;
    return owner.chunks.shift();
  };

  const resetQueue = (owner) => {
    owner.chunks.clear();
    owner.queued = 0;
  };

  shared.queues = { __proto__: null, Queue, dequeueSized, enqueueSized, resetQueue };
})
