// EventTarget and event handler attributes: https://dom.spec.whatwg.org/#interface-eventtarget,
// https://html.spec.whatwg.org/#event-handler-attributes
(function (native, shared) {
  "use strict";

  const { DOMException, Map, TypeError, apply, defineProperty, mapDelete, mapGet, mapSet, removeAt } =
    shared.primordials;
  const { expose, requireArguments } = shared.webidl;
  const event = shared.event;

  const internals = { __proto__: null };
  const global = globalThis;
  const LISTENER = "function or HandlerObject";

  // The events that scripts without modules listened to; nobody dispatches them to the global object.
  const isForEntrypoint = (type) =>
    type === "fetch" || type === "scheduled" || type === "tail" || type === "trace" || type === "alarm";

  const flatten = (options) =>
    (typeof options === "object" && options !== null) || typeof options === "function" ? options.capture : options;

  const checkCallback = (callback, operation) => {
    if (callback === undefined || callback === null) return false;
    if (typeof callback !== "object" && typeof callback !== "function") {
      throw new TypeError(`Failed to execute '${operation}' on 'EventTarget': parameter 2 is not of type '${LISTENER}'.`);
    }
    return true;
  };

  // The global object is a target as well, but none that the class below has made: this one listens in its place.
  let scope;
  // What an operation was called on; called on nothing, that is the global object.
  const targetOf = (self) => (self === undefined || self === null || self === global ? scope : self);

  class EventTarget {
    // Type → listeners in the order of their registration. A dispatch works on a copy, and a
    // listener removed meanwhile is marked.
    #listeners = new Map();
    // Type → its event handler attribute.
    #handlers;
    // Called with a type after a listener of it came or went.
    #watch;

    static {
      internals.isTarget = (value) =>
        typeof value === "object" && value !== null && (value === global || #listeners in value);
      internals.watch = (target, watcher) => { target.#watch = watcher; };
      internals.hasListeners = (target, type) => mapGet(target.#listeners, type) !== undefined;
      internals.handler = (target, type) => {
        target.#listeners;
        if (target.#handlers === undefined) return null;
        const handler = mapGet(target.#handlers, type);
        return handler === undefined ? null : handler.callback;
      };
      internals.setHandler = (target, type, value) => target.#setHandler(type, value);
      internals.dispatch = (target, given, trusted) => target.#dispatch(given, trusted);
      internals.dispatchGlobally = (given) => scope.#dispatch(given, true);
      internals.isHeardGlobally = (type) => mapGet(scope.#listeners, type) !== undefined;
    }

    #add(type, listener) {
      let list = mapGet(this.#listeners, type);
      if (list === undefined) {
        list = [];
        mapSet(this.#listeners, type, list);
      }
      for (let i = 0; i < list.length; i++) {
        if (list[i].callback === listener.callback && list[i].capture === listener.capture && !list[i].isHandler) {
          return false;
        }
      }
      list[list.length] = listener;
      if (this.#watch !== undefined) this.#watch(type);
      return true;
    }

    #remove(type, listener) {
      if (listener.removed) return;
      listener.removed = true;
      const list = mapGet(this.#listeners, type);
      for (let i = 0; i < list.length; i++) {
        if (list[i] === listener) {
          removeAt(list, i);
          break;
        }
      }
      if (list.length === 0) mapDelete(this.#listeners, type);
      if (listener.release !== undefined) listener.release();
      if (this.#watch !== undefined) this.#watch(type);
    }

    // The attribute is a listener in the place where it was first set.
    #setHandler(type, value) {
      const callback = (typeof value === "object" && value !== null) || typeof value === "function" ? value : null;
      if (this.#handlers === undefined) this.#handlers = new Map();
      const handler = mapGet(this.#handlers, type);
      if (callback === null) {
        if (handler !== undefined) {
          mapDelete(this.#handlers, type);
          this.#remove(type, handler);
        }
      } else if (handler !== undefined) {
        handler.callback = callback;
      } else {
        const listener = {
          __proto__: null, callback, capture: false, once: false, passive: false, removed: false,
          release: undefined, isHandler: true,
        };
        mapSet(this.#handlers, type, listener);
        this.#add(type, listener);
      }
    }

    addEventListener(type, callback, options = undefined) {
      const target = targetOf(this);
      target.#listeners;
      requireArguments(arguments.length, 2, "addEventListener' on 'EventTarget", arguments.length === 0 ? "string" : LISTENER);
      const name = `${type}`;
      let capture = false, once = false, passive = false, signal;
      if ((typeof options === "object" && options !== null) || typeof options === "function") {
        capture = !!options.capture;
        once = !!options.once;
        passive = !!options.passive;
        signal = options.signal;
        if (signal !== undefined && !shared.events.isSignal(signal)) {
          throw new TypeError("Failed to execute 'addEventListener' on 'EventTarget': option 'signal' is not of type 'AbortSignal'.");
        }
      } else {
        capture = !!options;
      }
      if (!checkCallback(callback, "addEventListener")) return;
      if (target === scope && isForEntrypoint(name)) {
        native.warn(`addEventListener("${name}") does nothing: a method of an entrypoint class handles this event.`);
      }
      if (signal !== undefined && shared.events.isAborted(signal)) return;
      const listener = {
        __proto__: null, callback, capture, once, passive, removed: false, release: undefined, isHandler: false,
      };
      if (target.#add(name, listener) && signal !== undefined) {
        listener.release = shared.events.onAbort(signal, () => {
          listener.release = undefined;
          target.#remove(name, listener);
        });
      }
    }

    removeEventListener(type, callback, options = undefined) {
      const target = targetOf(this);
      target.#listeners;
      requireArguments(arguments.length, 2, "removeEventListener' on 'EventTarget", arguments.length === 0 ? "string" : LISTENER);
      const name = `${type}`;
      const capture = !!flatten(options);
      if (!checkCallback(callback, "removeEventListener")) return;
      const list = mapGet(target.#listeners, name);
      if (list === undefined) return;
      for (let i = 0; i < list.length; i++) {
        const listener = list[i];
        if (listener.callback === callback && listener.capture === capture && !listener.isHandler) {
          target.#remove(name, listener);
          return;
        }
      }
    }

    dispatchEvent(given) {
      const target = targetOf(this);
      target.#listeners;
      requireArguments(arguments.length, 1, "dispatchEvent' on 'EventTarget", "Event");
      if (!event.isEvent(given)) {
        throw new TypeError("Failed to execute 'dispatchEvent' on 'EventTarget': parameter 1 is not of type 'Event'.");
      }
      if (event.isDispatching(given)) {
        throw new DOMException("The event is already being dispatched.", "InvalidStateError");
      }
      return target.#dispatch(given, false);
    }

    #dispatch(given, trusted) {
      event.begin(given, this === scope ? global : this, trusted);
      const list = mapGet(this.#listeners, event.type(given));
      if (list !== undefined && list.length === 1) {
        // Nothing that happens meanwhile can come before or after it.
        const listener = list[0];
        if (!event.isStopped(given)) this.#call(listener, given);
      } else if (list !== undefined) {
        const current = [];
        for (let i = 0; i < list.length; i++) current[i] = list[i];
        // At the target capturing listeners come first; stopping the propagation there spares the others.
        if (!event.isStopped(given)) this.#invoke(current, given, true);
        if (!event.isStopped(given)) this.#invoke(current, given, false);
      }
      return event.end(given);
    }

    #invoke(listeners, given, capture) {
      for (let i = 0; i < listeners.length; i++) {
        const listener = listeners[i];
        if (listener.removed || listener.capture !== capture) continue;
        this.#call(listener, given);
        if (event.isStoppedImmediately(given)) return;
      }
    }

    #call(listener, given) {
      if (listener.once) this.#remove(event.type(given), listener);
      if (listener.passive) event.setPassive(given, true);
      try {
        const self = this === scope ? global : this;
        const { callback } = listener;
        if (listener.isHandler) {
          if (typeof callback === "function" && apply(callback, self, [given]) === false) given.preventDefault();
        } else if (typeof callback === "function") {
          apply(callback, self, [given]);
        } else {
          const { handleEvent } = callback;
          if (typeof handleEvent !== "function") throw new TypeError("The listener has no handleEvent function.");
          apply(handleEvent, callback, [given]);
        }
      } catch (error) {
        shared.report(error);
      }
      if (listener.passive) event.setPassive(given, false);
    }
  }

  // Defines the attribute `on<type>` on a class that extends EventTarget.
  internals.defineHandler = (constructor, type) => {
    const accessors = {
      get value() {
        return internals.handler(this, type);
      },
      set value(value) {
        internals.setHandler(this, type, value);
      },
    };
    const { get, set } = shared.primordials.getOwnPropertyDescriptor(accessors, "value");
    const name = `on${type}`;
    defineProperty(get, "name", { __proto__: null, value: `get ${name}`, configurable: true });
    defineProperty(set, "name", { __proto__: null, value: `set ${name}`, configurable: true });
    defineProperty(constructor.prototype, name, { __proto__: null, get, set, enumerable: true, configurable: true });
  };

  scope = new EventTarget();
  expose(EventTarget, "EventTarget");
  shared.eventTarget = internals;
  shared.events.EventTarget = EventTarget;
})
