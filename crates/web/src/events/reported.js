// ErrorEvent, PromiseRejectionEvent, and what becomes of exceptions and rejections that nobody handles:
// https://html.spec.whatwg.org/#runtime-script-errors, https://html.spec.whatwg.org/#unhandled-promise-rejections
(function (native, shared) {
  "use strict";

  const { TypeError, errorToString, includes, lastIndexOf, stringSlice, symbolToString } = shared.primordials;
  const { dictionary, expose, requireConstructorArguments, usv } = shared.webidl;
  const { Event } = shared.events;
  const { dispatchGlobally, isHeardGlobally } = shared.eventTarget;
  const { stack } = shared;
  const log = shared.report;

  class ErrorEvent extends Event {
    #message = "";
    #filename = "";
    #lineno = 0;
    #colno = 0;
    #error;

    constructor(type, eventInitDict = {}) {
      requireConstructorArguments(arguments.length, 1, "ErrorEvent");
      super(type, eventInitDict);
      const { colno, error, filename, lineno, message } = dictionary(eventInitDict, "The options of an ErrorEvent");
      if (colno !== undefined) this.#colno = colno >>> 0;
      this.#error = error;
      if (filename !== undefined) this.#filename = usv(filename);
      if (lineno !== undefined) this.#lineno = lineno >>> 0;
      if (message !== undefined) this.#message = `${message}`;
    }

    get message() { return this.#message; }
    get filename() { return this.#filename; }
    get lineno() { return this.#lineno; }
    get colno() { return this.#colno; }
    get error() { return this.#error; }
  }

  class PromiseRejectionEvent extends Event {
    #promise;
    #reason;

    constructor(type, eventInitDict) {
      requireConstructorArguments(arguments.length, 2, "PromiseRejectionEvent", arguments.length === 0 ? "string" : "Initializer");
      super(type, eventInitDict);
      const { promise, reason } = dictionary(eventInitDict, "The options of a PromiseRejectionEvent");
      if ((typeof promise !== "object" || promise === null) && typeof promise !== "function") {
        throw new TypeError("Failed to construct 'PromiseRejectionEvent': the member 'promise' must be an object.");
      }
      this.#promise = promise;
      this.#reason = reason;
    }

    get promise() { return this.#promise; }
    get reason() { return this.#reason; }
  }

  const describe = (error) => {
    try {
      if (typeof error === "symbol") return `Uncaught ${symbolToString(error)}`;
      if ((typeof error !== "object" || error === null) && typeof error !== "function") return `Uncaught ${error}`;
      return `Uncaught ${typeof error.stack === "string" ? errorToString(error) : `#<${error.constructor.name}>`}`;
    } catch {
      return "Uncaught exception";
    }
  };

  // `[file, line, column]` of where an exception comes from, as far as that is known.
  const placeOf = (error) => {
    const place = stack.positionOf(error) ?? "";
    const column = lastIndexOf(place, ":");
    const line = lastIndexOf(place, ":", column - 1);
    if (line < 1 || !includes(place, ":")) return [place, 0, 0];
    return [stringSlice(place, 0, line), +stringSlice(place, line + 1, column), +stringSlice(place, column + 1)];
  };

  // An exception of another language makes its message when it is first asked for it; the log runs no accessor.
  const logInFull = (error) => {
    try {
      error.message;
    } catch {
      // It is no object, or its message is not to be had.
    }
    log(error);
  };

  let isReporting = false;

  // An exception that nobody caught. What goes wrong while its event is dispatched is only logged.
  shared.report = (error) => {
    if (!isReporting && isHeardGlobally("error")) {
      isReporting = true;
      try {
        const place = placeOf(error);
        const event = new ErrorEvent("error", {
          __proto__: null, cancelable: true, message: describe(error), filename: place[0], lineno: place[1], colno: place[2],
          error,
        });
        if (!dispatchGlobally(event)) return;
      } finally {
        isReporting = false;
      }
    }
    logInFull(error);
  };

  const rejection = (type, cancelable, promise, reason) =>
    dispatchGlobally(new PromiseRejectionEvent(type, { __proto__: null, cancelable, promise, reason }));

  // A promise that was rejected with nobody to handle it, and (`isHandled`) one that somebody handles after all.
  shared.rejected = (promise, reason, isHandled) => {
    if (isHandled) {
      if (isHeardGlobally("rejectionhandled")) rejection("rejectionhandled", false, promise, reason);
    } else if (!isHeardGlobally("unhandledrejection") || rejection("unhandledrejection", true, promise, reason)) {
      logInFull(reason);
    }
  };

  expose(ErrorEvent, "ErrorEvent");
  shared.events.ErrorEvent = ErrorEvent;
  expose(PromiseRejectionEvent, "PromiseRejectionEvent");
})
