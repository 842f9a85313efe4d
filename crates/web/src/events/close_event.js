// CloseEvent: https://websockets.spec.whatwg.org/#the-closeevent-interface
(function (native, shared) {
  "use strict";

  const { dictionary, expose, requireConstructorArguments, usv } = shared.webidl;
  const { Event } = shared.events;

  class CloseEvent extends Event {
    #wasClean;
    #code = 0;
    #reason = "";

    constructor(type, eventInitDict = {}) {
      requireConstructorArguments(arguments.length, 1, "CloseEvent");
      super(type, eventInitDict);
      const { code, reason, wasClean } = dictionary(eventInitDict, "The options of a CloseEvent");
      if (code !== undefined) this.#code = (code >>> 0) & 0xffff;
      if (reason !== undefined) this.#reason = usv(reason);
      this.#wasClean = !!wasClean;
    }

    get wasClean() { return this.#wasClean; }
    get code() { return this.#code; }
    get reason() { return this.#reason; }
  }

  expose(CloseEvent, "CloseEvent");
  shared.events.CloseEvent = CloseEvent;
})
