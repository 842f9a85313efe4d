// Event and CustomEvent: https://dom.spec.whatwg.org/#interface-event
(function (native, shared) {
  "use strict";

  const { DOMException, defineProperty, getOwnPropertyDescriptor } = shared.primordials;
  const { constants, dictionary, expose, requireArguments, requireConstructorArguments } = shared.webidl;

  const NONE = 0, AT_TARGET = 2;

  // Given this as the options, a constructor of ours makes an event of the type and nothing else: those that come with
  // every message must be cheap.
  const PLAIN = Symbol("plain");

  // `isTrusted`, which is an own property of every event.
  let trust;

  // What event_target.js needs of an event beside its attributes.
  const internals = { __proto__: null };

  class Event {
    #type;
    #bubbles;
    #cancelable;
    #composed;
    #timeStamp = native.now();
    #target = null;
    #phase = NONE;
    #dispatching = false;
    #stopped = false;
    #stoppedImmediately = false;
    #canceled = false;
    #inPassiveListener = false;
    #trusted = false;

    static {
      internals.isEvent = (value) => typeof value === "object" && value !== null && #type in value;
      internals.isDispatching = (event) => event.#dispatching;
      internals.type = (event) => event.#type;
      internals.begin = (event, target, trusted) => {
        event.#dispatching = true;
        event.#target = target;
        event.#phase = AT_TARGET;
        event.#trusted = trusted;
      };
      // Returns whether nobody has canceled the event.
      internals.end = (event) => {
        event.#phase = NONE;
        event.#dispatching = false;
        event.#stopped = false;
        event.#stoppedImmediately = false;
        return !event.#canceled;
      };
      internals.isStopped = (event) => event.#stopped;
      internals.isStoppedImmediately = (event) => event.#stoppedImmediately;
      internals.setPassive = (event, passive) => { event.#inPassiveListener = passive; };
    }

    constructor(type, eventInitDict = {}) {
      if (eventInitDict === PLAIN) {
        defineProperty(this, "isTrusted", trust);
        this.#type = type;
        this.#bubbles = this.#cancelable = this.#composed = false;
        return;
      }
      requireConstructorArguments(arguments.length, 1, "Event");
      defineProperty(this, "isTrusted", trust);
      this.#type = `${type}`;
      const { bubbles, cancelable, composed } = dictionary(eventInitDict, "The options of an event");
      this.#bubbles = !!bubbles;
      this.#cancelable = !!cancelable;
      this.#composed = !!composed;
    }

    get type() {
      return this.#type;
    }
    get target() {
      return this.#target;
    }
    get srcElement() {
      return this.#target;
    }
    get currentTarget() {
      return this.#dispatching ? this.#target : null;
    }
    composedPath() {
      return this.#dispatching ? [this.#target] : [];
    }
    get eventPhase() {
      return this.#phase;
    }
    stopPropagation() {
      this.#stopped = true;
    }
    get cancelBubble() {
      return this.#stopped;
    }
    set cancelBubble(value) {
      if (value) this.#stopped = true;
      else this.#stopped;
    }
    stopImmediatePropagation() {
      this.#stopped = true;
      this.#stoppedImmediately = true;
    }
    get bubbles() {
      return this.#bubbles;
    }
    get cancelable() {
      return this.#cancelable;
    }
    get returnValue() {
      return !this.#canceled;
    }
    set returnValue(value) {
      if (this.#cancelable && !this.#inPassiveListener && !value) this.#canceled = true;
    }
    preventDefault() {
      if (this.#cancelable && !this.#inPassiveListener) this.#canceled = true;
    }
    get defaultPrevented() {
      return this.#canceled;
    }
    get composed() {
      return this.#composed;
    }
    get isTrusted() {
      return this.#trusted;
    }
    get timeStamp() {
      return this.#timeStamp;
    }
    initEvent(type, bubbles = false, cancelable = false) {
      requireArguments(arguments.length, 1, "initEvent' on 'Event");
      const newType = `${type}`;
      if (this.#dispatching) return;
      this.#stopped = false;
      this.#stoppedImmediately = false;
      this.#canceled = false;
      this.#trusted = false;
      this.#target = null;
      this.#type = newType;
      this.#bubbles = !!bubbles;
      this.#cancelable = !!cancelable;
    }
  }
  constants(Event, { NONE, CAPTURING_PHASE: 1, AT_TARGET, BUBBLING_PHASE: 3 });

  class CustomEvent extends Event {
    #detail;
    constructor(type, eventInitDict = {}) {
      requireConstructorArguments(arguments.length, 1, "CustomEvent");
      super(type, eventInitDict);
      const { detail = null } = dictionary(eventInitDict, "The options of an event");
      this.#detail = detail;
    }
    get detail() {
      return this.#detail;
    }
    initCustomEvent(type, bubbles = false, cancelable = false, detail = null) {
      requireArguments(arguments.length, 1, "initCustomEvent' on 'CustomEvent");
      this.#detail;
      if (internals.isDispatching(this)) return;
      super.initEvent(type, bubbles, cancelable);
      this.#detail = detail;
    }
  }

  expose(Event, "Event");
  trust = getOwnPropertyDescriptor(Event.prototype, "isTrusted");
  trust.configurable = false;
  delete Event.prototype.isTrusted;
  expose(CustomEvent, "CustomEvent");
  internals.PLAIN = PLAIN;
  shared.event = internals;
  shared.events = { __proto__: null, Event, DOMException };
})
