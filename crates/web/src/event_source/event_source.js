// EventSource: https://html.spec.whatwg.org/#the-eventsource-interface
(function (native, shared) {
  "use strict";

  const { DOMException, Error, TypeError, max } = shared.primordials;
  const { constants, dictionary, expose, requireArguments, requireConstructorArguments, usv } = shared.webidl;
  const { ErrorEvent, Event, EventTarget } = shared.events;
  const { defineHandler, dispatch } = shared.eventTarget;
  const { newMessageEvent } = shared.messaging;
  const { isStream, pump, status } = shared.bodies;
  const { abort, newController, signalOf } = shared.fetch;
  const { start: startFetch } = shared.outbound;

  const INTERNAL = Symbol("internal");
  const CONNECTING = 0, OPEN = 1, CLOSED = 2;
  const LOCKED = 1, DISTURBED = 2;
  // In milliseconds. A server can't have itself asked more often than every second.
  const RECONNECTION_TIME = 2000, RECONNECTION_MIN = 1000;

  const isObject = (value) => (typeof value === "object" && value !== null) || typeof value === "function";

  class EventSource extends EventTarget {
    #url = "";
    #origin = "";
    #state = CONNECTING;
    #controller = newController();
    #lastId = "";
    #delay = RECONNECTION_TIME;
    #timer = undefined;
    // The last answer had no body.
    #wasEmpty = false;

    constructor(url, init = undefined) {
      if (url === INTERNAL) {
        super();
        return;
      }
      requireConstructorArguments(arguments.length, 1, "EventSource");
      const text = usv(url);
      const { fetcher, withCredentials } = dictionary(init, "The options of an EventSource");
      if (fetcher !== undefined) {
        // Nothing is one: there are no service bindings.
        throw new TypeError("Incorrect type for the 'fetcher' field on 'EventSourceInit': the provided value is not of type 'Fetcher'.");
      }
      if (withCredentials) {
        throw new DOMException("The init.withCredentials option is not supported. It must be false or undefined.", "NotSupportedError");
      }
      const absolute = native.absolute(text);
      if (absolute === undefined) {
        throw new DOMException(`Cannot open an EventSource to '${text}'. The URL is invalid.`, "SyntaxError");
      }
      super();
      this.#go(absolute);
      this.#connect();
    }

    static from(stream) {
      requireArguments(arguments.length, 1, "from' on 'EventSource", "ReadableStream");
      if (!isObject(stream) || !isStream(stream)) {
        throw new TypeError("Failed to execute 'from' on 'EventSource': parameter 1 is not of type 'ReadableStream'.");
      }
      const bits = status(stream);
      if (bits & LOCKED) throw new TypeError("This ReadableStream is locked.");
      if (bits & DISTURBED) throw new TypeError("This ReadableStream has already been read from.");
      const source = new EventSource(INTERNAL);
      source.#read(stream, false);
      return source;
    }

    get url() { return this.#url; }
    get withCredentials() {
      this.#state;
      return false;
    }
    get readyState() { return this.#state; }

    close() {
      if (this.#state === CLOSED) return;
      this.#state = CLOSED;
      if (this.#timer !== undefined) shared.timers.stop(this.#timer);
      abort(this.#controller, "The EventSource was closed.");
    }

    #go(url) {
      this.#url = url;
      this.#origin = native.origin(url);
    }

    #connect() {
      this.#timer = undefined;
      const controller = this.#controller = newController();
      const headers = [["accept", "text/event-stream"], ["cache-control", "no-cache"]];
      if (this.#lastId !== "") headers[2] = ["last-event-id", native.byteString(this.#lastId)];
      const init = { __proto__: null, headers, signal: signalOf(controller) };
      try {
        startFetch(this.#url, init, (response) => { this.#answered(response); }, (error) => { this.#failed(error); });
      } catch (error) {
        this.#failed(error);
      }
    }

    #answered(response) {
      if (this.#state === CLOSED) return;
      const answer = native.answer(response);
      const { status: code, type, url } = answer;
      if (code < 200 || code > 299) {
        this.#refuse(`The response status code was ${code}.`);
      } else if (type === undefined) {
        this.#refuse("No content type header was present in the response.");
      } else if (!answer.isEventStream) {
        this.#refuse(`The content type '${type}' is invalid.`);
      } else {
        if (url !== "") this.#go(url);
        const { body } = answer;
        if (body !== undefined) {
          this.#wasEmpty = false;
          this.#read(body, true);
        } else if (this.#wasEmpty) {
          this.#failed(new Error("The server provided no content."));
        } else {
          this.#wasEmpty = true;
          this.#lost(new Error("The server provided no content. Will try reconnecting."));
        }
      }
    }

    #read(stream, canReconnect) {
      const parser = native.parser(this.#lastId);
      // Listeners can't have been added yet to one that was made this very moment.
      shared.timers.start(() => {
        if (this.#state === CLOSED) return;
        this.#state = OPEN;
        dispatch(this, new Event("open"), true);
        pump(stream, (chunk) => {
          const events = native.feed(parser, chunk);
          const delay = native.retry(parser);
          if (delay !== undefined) this.#delay = max(delay, RECONNECTION_MIN);
          this.#lastId = native.id(parser);
          for (let i = 0; i < events.length && this.#state !== CLOSED; i += 3) {
            dispatch(this, newMessageEvent(events[i + 1], this.#origin, events[i + 2], events[i] === "" ? "message" : events[i]), true);
          }
          return this.#state === CLOSED ? "The EventSource was closed." : true;
        }, () => {
          const error = new Error("The server disconnected.");
          if (canReconnect) this.#lost(error);
          else this.#failed(error);
        }, (error) => {
          if (canReconnect) this.#lost(error);
          else this.#failed(error);
        });
      }, 0, [], false);
    }

    // The connection ended: another will be made in a while.
    #lost(error) {
      if (this.#state === CLOSED) return;
      this.#state = CONNECTING;
      this.#report(error);
      if (this.#state === CLOSED) return;
      this.#timer = shared.timers.start(() => { this.#connect(); }, this.#delay, [], false);
    }

    #refuse(message) {
      const controller = this.#controller;
      this.#failed(new DOMException(message, "AbortError"));
      abort(controller, message);
    }

    // The connection failed for good.
    #failed(error) {
      if (this.#state === CLOSED) return;
      this.#state = CLOSED;
      this.#report(error);
    }

    #report(error) {
      const message = isObject(error) ? `${error.message}` : `${error}`;
      dispatch(this, new ErrorEvent("error", { __proto__: null, error, message }), true);
    }
  }
  for (const type of ["open", "message", "error"]) defineHandler(EventSource, type);
  constants(EventSource, { CONNECTING, OPEN, CLOSED });
  expose(EventSource, "EventSource");
})
