// MessageEvent: https://html.spec.whatwg.org/#messageevent
(function (native, shared) {
  "use strict";

  const { TypeError, freeze, symbolIterator } = shared.primordials;
  const { dictionary, expose, requireArguments, requireConstructorArguments, sequence, usv } = shared.webidl;
  const { Event } = shared.events;
  const { PLAIN, isDispatching } = shared.event;
  const NO_PORTS = freeze([]);

  // How message_port.js makes events, and says what a port is.
  const messaging = { __proto__: null };

  const isObject = (value) => (typeof value === "object" && value !== null) || typeof value === "function";

  const portList = (ports) => {
    if (ports === undefined) return [];
    const method = isObject(ports) ? ports[symbolIterator] : undefined;
    if (method === undefined || method === null) throw new TypeError("The ports of a MessageEvent must be a sequence.");
    return sequence(ports, method, (value, index) => {
      if (!messaging.isPort(value)) {
        throw new TypeError(`Incorrect type for array element ${index}: the provided value is not of type 'MessagePort'.`);
      }
      return value;
    });
  };

  const sourceOf = (source) => {
    if (source === undefined || source === null) return null;
    if (!messaging.isPort(source)) throw new TypeError("The source of a MessageEvent must be a MessagePort.");
    return source;
  };

  class MessageEvent extends Event {
    #data;
    #origin;
    #lastEventId;
    #source;
    #ports;

    static {
      // What a connection delivers; `origin` and `lastEventId` are strings.
      messaging.newMessageEvent = (data, origin = "", lastEventId = "", type = "message") => {
        const event = new MessageEvent(type, PLAIN);
        event.#data = data;
        event.#origin = origin;
        event.#lastEventId = lastEventId;
        event.#source = null;
        event.#ports = NO_PORTS;
        return event;
      };
      // What a port delivers.
      messaging.newEvent = (data, ports) => {
        const event = new MessageEvent("message");
        event.#data = data;
        event.#ports = freeze(ports);
        return event;
      };
    }

    constructor(type, eventInitDict = {}) {
      if (eventInitDict === PLAIN) {
        super(type, PLAIN);
        return;
      }
      requireConstructorArguments(arguments.length, 1, "MessageEvent");
      super(type, eventInitDict);
      const init = dictionary(eventInitDict, "The options of an event");
      const { data, lastEventId, origin, ports, source } = init;
      this.#data = data === undefined ? null : data;
      this.#lastEventId = lastEventId === undefined ? "" : `${lastEventId}`;
      this.#origin = origin === undefined ? "" : usv(origin);
      this.#ports = freeze(portList(ports));
      this.#source = sourceOf(source);
    }

    get data() { return this.#data; }
    get origin() { return this.#origin; }
    get lastEventId() { return this.#lastEventId; }
    get source() { return this.#source; }
    get ports() { return this.#ports; }

    initMessageEvent(type, bubbles = false, cancelable = false, data = null, origin = "", lastEventId = "", source = null, ports = undefined) {
      requireArguments(arguments.length, 1, "initMessageEvent' on 'MessageEvent");
      const newOrigin = usv(origin), newId = `${lastEventId}`, newSource = sourceOf(source), newPorts = portList(ports);
      this.#data;
      if (isDispatching(this)) return;
      super.initEvent(type, bubbles, cancelable);
      this.#data = data;
      this.#origin = newOrigin;
      this.#lastEventId = newId;
      this.#source = newSource;
      this.#ports = freeze(newPorts);
    }
  }

  expose(MessageEvent, "MessageEvent");
  messaging.MessageEvent = MessageEvent;
  shared.messaging = messaging;
})
