// MessageChannel and MessagePort: https://html.spec.whatwg.org/#message-channels
(function (native, shared) {
  "use strict";

  const { DOMException, TypeError, symbolIterator } = shared.primordials;
  const { dictionary, expose, requireArguments } = shared.webidl;
  const { Event, EventTarget } = shared.events;
  const { defineHandler, dispatch, handler, setHandler } = shared.eventTarget;
  const { messaging } = shared;
  const { objectList, pack, transferables, transferList, unpack } = shared.structuredClone;

  const INTERNAL = Symbol("internal");
  const isObject = (value) => (typeof value === "object" && value !== null) || typeof value === "function";

  let entangle;

  class MessagePort extends EventTarget {
    // The port at the other end, null once either is closed or was transferred.
    #other = null;
    // What has arrived and was not delivered, as a chain of { packed, moved, next }; one without `packed` is the news
    // that the other end is closed.
    #first = null;
    #last = null;
    #enabled = false;
    #detached = false;

    static {
      const isPort = (value) => isObject(value) && #detached in value;
      messaging.isPort = isPort;
      entangle = (one, two) => {
        one.#other = two;
        two.#other = one;
      };
      transferables[transferables.length] = {
        is: isPort,
        // A new port takes the place of the old one, which is of no use any more.
        transfer(port) {
          if (port.#detached) throw new DOMException("A MessagePort is closed and could not be transferred.", "DataCloneError");
          const fresh = new MessagePort(INTERNAL);
          fresh.#first = port.#first;
          fresh.#last = port.#last;
          port.#first = port.#last = null;
          const other = port.#other;
          port.#other = null;
          port.#detached = true;
          if (other !== null) entangle(fresh, other);
          return fresh;
        },
      };
    }

    constructor(token = undefined) {
      if (token !== INTERNAL) throw new TypeError("Illegal constructor");
      super();
    }

    postMessage(message, options = undefined) {
      const other = this.#other;
      requireArguments(arguments.length, 1, "postMessage' on 'MessagePort", "JsValue");
      // A sequence is the list itself, any other object has it.
      const method = isObject(options) ? options[symbolIterator] : undefined;
      const transfer = method === undefined || method === null
        ? transferList(dictionary(options, "The options of postMessage"))
        : objectList(options, method);
      let doomed = false;
      for (let i = 0; i < transfer.length; i++) {
        if (transfer[i] === this) throw new DOMException("A port cannot be sent through itself.", "DataCloneError");
        if (transfer[i] === other) doomed = true;
      }
      const { 0: packed, 1: moved } = pack(message, transfer);
      // The message may have closed this port.
      const receiver = this.#other;
      if (receiver !== null && !doomed) receiver.#receive(packed, moved);
    }

    start() { this.#enable(); }

    close() {
      this.#detached = true;
      this.#first = this.#last = null;
      const other = this.#other;
      if (other === null) return;
      this.#other = null;
      other.#other = null;
      other.#receive(undefined, undefined);
    }

    get onmessage() { return handler(this, "message"); }
    set onmessage(value) {
      setHandler(this, "message", value);
      this.#enable();
    }

    #enable() {
      if (this.#enabled) return;
      this.#enabled = true;
      for (let message = this.#first; message !== null; message = message.next) this.#queueTask();
    }

    #receive(packed, moved) {
      const message = { packed, moved, next: null };
      if (this.#last === null) this.#first = message;
      else this.#last.next = message;
      this.#last = message;
      if (this.#enabled) this.#queueTask();
    }

    #queueTask() {
      shared.timers.start(() => { this.#deliver(); }, 0, [], false);
    }

    #deliver() {
      const message = this.#first;
      // It was closed or transferred meanwhile.
      if (message === null) return;
      this.#first = message.next;
      if (this.#first === null) this.#last = null;
      const { packed, moved } = message;
      if (packed === undefined) {
        dispatch(this, new Event("close"), true);
        return;
      }
      let event;
      try {
        const data = unpack(packed, moved);
        const ports = [];
        for (let i = 0; i < moved.length; i++) {
          if (messaging.isPort(moved[i])) ports[ports.length] = moved[i];
        }
        event = messaging.newEvent(data, ports);
      } catch {
        event = new messaging.MessageEvent("messageerror");
      }
      dispatch(this, event, true);
    }
  }
  defineHandler(MessagePort, "messageerror");
  defineHandler(MessagePort, "close");

  class MessageChannel {
    #port1 = new MessagePort(INTERNAL);
    #port2 = new MessagePort(INTERNAL);
    constructor() { entangle(this.#port1, this.#port2); }
    get port1() { return this.#port1; }
    get port2() { return this.#port2; }
  }

  expose(MessagePort, "MessagePort");
  expose(MessageChannel, "MessageChannel");
})
