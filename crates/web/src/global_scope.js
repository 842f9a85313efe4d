// The global object as an EventTarget: https://html.spec.whatwg.org/#workerglobalscope
(function (native, shared) {
  "use strict";

  const { TypeError, setPrototypeOf, symbolToStringTag } = shared.primordials;
  const { defineGlobal, expose } = shared.webidl;
  const { EventTarget } = shared.events;

  const illegal = () => { throw new TypeError("Illegal constructor"); };

  class WorkerGlobalScope extends EventTarget {
    constructor() {
      illegal();
      super();
    }
  }

  class ServiceWorkerGlobalScope extends WorkerGlobalScope {
    constructor() {
      illegal();
      super();
    }
  }

  expose(WorkerGlobalScope, "WorkerGlobalScope");
  expose(ServiceWorkerGlobalScope, "ServiceWorkerGlobalScope");
  setPrototypeOf(globalThis, ServiceWorkerGlobalScope.prototype);
  // The engine's own.
  delete globalThis[symbolToStringTag];
  // A Worker has no origin of its own.
  defineGlobal("origin", "null", true);
})
