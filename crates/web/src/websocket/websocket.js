// WebSocket and WebSocketPair: https://websockets.spec.whatwg.org/, with accept() and pairs as Workers have them:
// https://developers.cloudflare.com/workers/runtime-apis/websockets/
//
// A socket's messages go to its peer in this isolate, or to a connection outside (`mod.rs`). What arrives waits until the
// socket is accepted.
(function (native, shared) {
  "use strict";

  const {
    DOMException, Error, Map, String, TypeError, errorToString, join, mapHas, mapSet, symbolIterator, toLowerCase, trunc,
  } = shared.primordials;
  const {
    bytes, constants, dictionary, expose, makeEnumerable, requireArguments, requireConstructorArguments, sequence, tag, usv,
  } = shared.webidl;
  const { CloseEvent, ErrorEvent, Event, EventTarget } = shared.events;
  const { defineHandler, dispatch } = shared.eventTarget;
  const { newMessageEvent } = shared.messaging;
  const { blobData, make: makeBlob } = shared.fileApi;
  const { pack, size, unpack } = shared.structuredClone;

  const { abort, newController, signalOf } = shared.fetch;
  const { start: startFetch } = shared.outbound;

  const INTERNAL = Symbol("internal");
  // Where a socket stands: it is being connected, nobody has it yet, it is in use here, it is in use elsewhere or not at all.
  const CONNECTING = 0, AWAITING = 1, ACCEPTED = 2, RELEASED = 3;
  // What can arrive; the numbers of `mod.rs`.
  const TEXT = 0, BINARY = 1, CLOSE = 2, LOST = 3;
  const ATTACHMENT_MAX = 16384;
  const GIVEN_UP = "Called close before connection was established.";
  const NOT_ACCEPTED = "You must call one of accept() or state.acceptWebSocket() on this WebSocket before sending messages.";

  const isObject = (value) => (typeof value === "object" && value !== null) || typeof value === "function";

  // The close code that a number or what converts to one stands for.
  const closeCode = (value) => {
    const number = trunc(+value);
    if (number < -2147483648 || number > 2147483647) {
      throw new TypeError("Value out of range. Must be between -2147483648 and 2147483647 (inclusive).");
    }
    const code = number | 0;
    if (!(code >= 1000 && code < 5000 && code !== 1004 && code !== 1005 && code !== 1006 && code !== 1015)) {
      throw new DOMException(`Invalid WebSocket close code: ${code}.`, "InvalidAccessError");
    }
    return code;
  };

  // The protocols of the constructor, checked.
  const protocolList = (protocols) => {
    if (protocols === undefined) return [];
    const method = isObject(protocols) ? protocols[symbolIterator] : undefined;
    if (method === undefined || method === null) {
      const protocol = usv(protocols);
      if (native.isToken(protocol)) return [protocol];
      throw new DOMException("WebSocket Constructor: The protocol header token is invalid.", "SyntaxError");
    }
    const list = sequence(protocols, method, usv);
    const seen = new Map();
    for (let i = 0; i < list.length; i++) {
      if (!native.isToken(list[i])) {
        throw new DOMException("WebSocket Constructor: One of the protocol header tokens is invalid.", "SyntaxError");
      }
      const name = toLowerCase(list[i]);
      if (mapHas(seen, name)) {
        throw new DOMException("WebSocket Constructor: The protocols header cannot have repeating values.", "SyntaxError");
      }
      mapSet(seen, name, true);
    }
    return list;
  };

  const describe = (error) => {
    try {
      return `Uncaught ${errorToString(error)}`;
    } catch {
      return "Uncaught exception";
    }
  };

  class WebSocket extends EventTarget {
    #state = AWAITING;
    #url = null;
    #protocol = "";
    #extensions = "";
    #isBlobWanted = native.isBlobDefault;
    #allowHalfOpen = native.isHalfOpenDefault;
    // The other end of a pair.
    #peer = null;
    // The connection outside.
    #outside = undefined;
    // What has arrived and was not delivered, as a chain of { kind, data, reason, next }.
    #first = null;
    #last = null;
    #closedIncoming = false;
    #closedOutgoing = false;
    // Nothing that is sent arrives any more.
    #aborted = false;
    #failed = false;
    #attachment = null;
    // The connection that everything that arrives on this one goes to: it is passed through.
    #onward = undefined;
    // The socket that has taken over the connection of this one.
    #heir = null;
    // What an answer that is awaited can be given up by, and where messages come from.
    #controller = null;
    #origin = "";

    static {
      const isSocket = (value) => isObject(value) && #state in value;

      shared.webSocket = {
        __proto__: null,
        isSocket,

        // Makes `outside` the other end of what `socket` was an end of: it is part of a response.
        couple(socket, outside) {
          if (socket.#state === CONNECTING) {
            throw new TypeError("Can't return WebSocket in a Response if it was created with `new WebSocket()`");
          }
          if (socket.#state === RELEASED) throw new TypeError("Can't return WebSocket that was already used in a response.");
          if (socket.#state === ACCEPTED) throw new TypeError("Can't return WebSocket in a Response after calling accept().");
          socket.#state = RELEASED;
          const peer = socket.#peer;
          if (peer === null) return socket.#passOn(outside);
          socket.#peer = null;
          peer.#peer = null;
          peer.#outside = outside;
          // What the peer has sent so far.
          for (let message = socket.#first; message !== null; message = message.next) peer.#transmit(message);
          socket.#first = socket.#last = null;
          if (peer.#state === ACCEPTED) native.accept(outside);
          return peer;
        },

        // The socket of a connection that was made from here.
        connected(outside) {
          const socket = new WebSocket(INTERNAL);
          socket.#outside = outside;
          return socket;
        },

        // Something arrived from outside, with no JavaScript on the stack.
        receive(target, kind, data, reason) {
          let socket = target;
          if (socket.#state === RELEASED) {
            if (socket.#onward !== undefined) {
              socket.#forward(kind, data, reason);
              return;
            }
            if (socket.#heir !== null) socket = socket.#heir;
          }
          if (socket.#state === ACCEPTED && socket.#first === null) socket.#deliver(kind, data, reason);
          else socket.#arrive(kind, data, reason);
        },
      };

      shared.webSocket.newPair = () => {
        const one = new WebSocket(INTERNAL), two = new WebSocket(INTERNAL);
        one.#peer = two;
        two.#peer = one;
        return [one, two];
      };
    }

    constructor(url, protocols = undefined) {
      if (url === INTERNAL) {
        super();
        return;
      }
      requireConstructorArguments(arguments.length, 1, "WebSocket");
      const { 0: href, 1: target, 2: origin, 3: authorization } = native.target(usv(url));
      if (target === undefined) throw new DOMException(`WebSocket Constructor: ${href}`, "SyntaxError");
      const list = protocolList(protocols);
      super();
      this.#state = CONNECTING;
      this.#url = href;
      this.#origin = origin;
      this.#connect(target, list, authorization);
    }

    accept(options = undefined) {
      const { allowHalfOpen } = dictionary(options, "The options of accept");
      if (this.#state === CONNECTING) {
        throw new TypeError("Websockets obtained from the 'new WebSocket()' constructor cannot call accept");
      }
      if (this.#state === RELEASED) throw new TypeError("Can't accept() WebSocket that was already used in a response.");
      if (this.#state === ACCEPTED) return;
      if (allowHalfOpen !== undefined) this.#allowHalfOpen = !!allowHalfOpen;
      this.#state = ACCEPTED;
      if (this.#outside !== undefined) native.accept(this.#outside);
      for (let message = this.#first; message !== null; message = message.next) this.#queueTask();
    }

    send(message) {
      this.#state;
      requireArguments(arguments.length, 1, "send' on 'WebSocket", "ArrayBuffer or string");
      let data = message, kind = TEXT;
      if (isObject(message)) {
        data = blobData(message) ?? bytes(message);
        if (data === undefined) data = usv(message);
        else kind = BINARY;
      } else if (typeof message !== "string") {
        data = usv(message);
      }
      if (this.#closedOutgoing) throw new TypeError("Can't call WebSocket send() after close().");
      if (this.#state === CONNECTING) {
        throw new DOMException("Can't call WebSocket send() before the connection is open.", "InvalidStateError");
      }
      if (this.#aborted || this.#state === RELEASED) return;
      if (this.#state !== ACCEPTED) throw new TypeError(NOT_ACCEPTED);
      const outside = this.#outside;
      if (outside !== undefined) {
        if (kind === TEXT) native.sendText(outside, data);
        else native.sendBinary(outside, data);
      } else if (this.#peer !== null) {
        this.#peer.#arrive(kind, kind === TEXT ? usv(data) : native.copy(data), "");
      }
    }

    close(code = undefined, reason = undefined) {
      this.#state;
      const number = code === undefined ? undefined : closeCode(code);
      const text = reason === undefined ? undefined : usv(reason);
      if (native.isReasonLimited && text !== undefined && native.utf8Length(text) > 123) {
        throw new DOMException("WebSocket close reason must not be longer than 123 bytes when UTF-8 encoded.", "SyntaxError");
      }
      if (text !== undefined && number === undefined) {
        throw new DOMException("If you specify a WebSocket close reason, you must also specify a code.", "InvalidAccessError");
      }
      if (this.#state === CONNECTING) {
        if (this.#closedOutgoing) return;
        this.#closedOutgoing = true;
        // Nobody hears of it before this has returned.
        shared.timers.start(() => {
          if (this.#state === CONNECTING) abort(this.#controller, GIVEN_UP);
        }, 0, [], false);
        return;
      }
      if (this.#closedOutgoing || this.#aborted || this.#state === RELEASED) return;
      if (this.#state !== ACCEPTED) throw new TypeError(NOT_ACCEPTED);
      this.#sendClose(number ?? 1005, text ?? "");
    }

    serializeAttachment(attachment) {
      this.#state;
      requireArguments(arguments.length, 1, "serializeAttachment' on 'WebSocket", "Value");
      const { 0: packed } = pack(attachment, []);
      const length = size(packed);
      if (length > ATTACHMENT_MAX) {
        throw new Error(`A WebSocket 'attachment' cannot be larger than ${ATTACHMENT_MAX} bytes.'attachment' was ${length} bytes.`);
      }
      this.#attachment = packed;
    }

    deserializeAttachment() {
      return this.#attachment === null ? null : unpack(this.#attachment, []);
    }

    get readyState() {
      if ((this.#closedIncoming && (this.#closedOutgoing || this.#aborted)) || this.#failed) return 3;
      if (this.#closedIncoming || this.#closedOutgoing) return 2;
      return this.#state === CONNECTING ? 0 : 1;
    }
    get bufferedAmount() { return this.#outside === undefined ? 0 : native.buffered(this.#outside); }
    get url() { return this.#url; }
    get protocol() { return this.#protocol; }
    get extensions() { return this.#extensions; }
    get binaryType() { return this.#isBlobWanted ? "blob" : "arraybuffer"; }
    set binaryType(value) {
      this.#state;
      const type = String(value);
      if (type === "blob") this.#isBlobWanted = true;
      else if (type === "arraybuffer") this.#isBlobWanted = false;
    }

    #connect(url, protocols, authorization) {
      const controller = this.#controller = newController();
      const headers = [["upgrade", "websocket"], ["sec-websocket-extensions", "permessage-deflate"]];
      if (protocols.length > 0) headers[headers.length] = ["sec-websocket-protocol", join(protocols, ", ")];
      if (authorization !== undefined) headers[headers.length] = ["authorization", authorization];
      const init = { __proto__: null, headers, redirect: "manual", signal: signalOf(controller) };
      try {
        startFetch(url, init, (response) => {
          const { 0: status, 1: socket, 2: protocol, 3: extensions } = native.answer(response);
          if (socket === undefined || socket === null) {
            this.#refused(new TypeError(
              "Failed to establish the WebSocket connection: expected server to reply with HTTP status code 101 " +
              `(switching protocols), but received ${status} instead.`,
            ));
            return;
          }
          if (this.#closedOutgoing) {
            native.abandon(socket.#outside);
            this.#refused(new Error(GIVEN_UP));
            return;
          }
          this.#outside = socket.#outside;
          socket.#state = RELEASED;
          socket.#heir = this;
          this.#protocol = protocol;
          this.#extensions = extensions;
          this.#state = ACCEPTED;
          native.accept(this.#outside);
          dispatch(this, new Event("open"), true);
        }, (error) => { this.#refused(error); });
      } catch (error) {
        // It is asked for in the course of the constructor, which nobody could have listened to yet.
        shared.timers.start(() => { this.#refused(error); }, 0, [], false);
      }
    }

    // There is no connection.
    #refused(error) {
      this.#closedIncoming = true;
      this.#aborted = true;
      this.#state = RELEASED;
      this.#reportError(error);
      dispatch(this, new CloseEvent("close", {
        __proto__: null, code: 1006, reason: "Failed to establish websocket connection", wasClean: false,
      }), true);
    }

    // Has everything pass through between this connection and another.
    #passOn(outside) {
      const other = new WebSocket(INTERNAL);
      other.#state = RELEASED;
      other.#onward = this.#outside;
      this.#onward = outside;
      for (let message = this.#first; message !== null; message = message.next) {
        this.#forward(message.kind, message.data, message.reason);
      }
      this.#first = this.#last = null;
      native.accept(this.#outside);
      native.accept(outside);
      return other;
    }

    #forward(kind, data, reason) {
      if (kind === TEXT) native.sendText(this.#onward, data);
      else if (kind === BINARY) native.sendBinary(this.#onward, data);
      else if (kind === CLOSE) native.close(this.#onward, data, reason);
      else native.abandon(this.#onward);
    }

    #reportError(error) {
      this.#failed = true;
      dispatch(this, new ErrorEvent("error", { __proto__: null, message: describe(error), error }), true);
    }

    #sendClose(code, reason) {
      this.#closedOutgoing = true;
      const message = { kind: CLOSE, data: code, reason, next: null };
      if (this.#outside !== undefined) this.#transmit(message);
      else if (this.#peer !== null) this.#peer.#arrive(CLOSE, code, reason);
    }

    // Sends a message that was queued while there was no connection yet.
    #transmit(message) {
      const { kind, data, reason } = message;
      if (kind === TEXT) native.sendText(this.#outside, data);
      else if (kind === BINARY) native.sendBinary(this.#outside, data);
      else native.close(this.#outside, data, reason);
    }

    #arrive(kind, data, reason) {
      const message = { kind, data, reason, next: null };
      if (this.#last === null) this.#first = message;
      else this.#last.next = message;
      this.#last = message;
      if (this.#state === ACCEPTED) this.#queueTask();
    }

    #queueTask() {
      shared.timers.start(() => {
        const message = this.#first;
        if (message === null) return;
        this.#first = message.next;
        if (this.#first === null) this.#last = null;
        this.#deliver(message.kind, message.data, message.reason);
      }, 0, [], false);
    }

    #deliver(kind, data, reason) {
      if (kind === LOST) this.#aborted = true;
      if (this.#closedIncoming) return;
      if (kind === TEXT) {
        dispatch(this, newMessageEvent(data, this.#origin), true);
      } else if (kind === BINARY) {
        dispatch(this, newMessageEvent(this.#isBlobWanted ? makeBlob(native.blobOf(data), "") : data, this.#origin), true);
      } else if (kind === CLOSE) {
        this.#closedIncoming = true;
        if (!this.#allowHalfOpen && !this.#closedOutgoing && !this.#aborted) this.#sendClose(data, reason);
        dispatch(this, new CloseEvent("close", { __proto__: null, code: data, reason, wasClean: true }), true);
      } else {
        this.#closedIncoming = true;
        this.#aborted = true;
        if (reason !== "") this.#reportError(new Error(reason));
        dispatch(this, new CloseEvent("close", {
          __proto__: null, code: 1006, reason: "WebSocket disconnected without sending Close frame.", wasClean: false,
        }), true);
      }
    }
  }
  for (const type of ["open", "message", "close", "error"]) defineHandler(WebSocket, type);
  constants(WebSocket, {
    READY_STATE_CONNECTING: 0, CONNECTING: 0, READY_STATE_OPEN: 1, OPEN: 1, READY_STATE_CLOSING: 2, CLOSING: 2,
    READY_STATE_CLOSED: 3, CLOSED: 3,
  });

  // Iterates over the two sockets of a pair.
  class PairIterator {
    #pair;
    #index = 0;
    constructor(pair) { this.#pair = pair; }
    next() {
      return this.#index < 2 ? { value: this.#pair[this.#index++], done: false } : { value: undefined, done: true };
    }
  }
  delete PairIterator.prototype.constructor;
  shared.primordials.setPrototypeOf(PairIterator.prototype, shared.primordials.iteratorPrototype);
  makeEnumerable(PairIterator.prototype);
  tag(PairIterator.prototype, "WebSocketPair Iterator");

  class WebSocketPair {
    #sockets = shared.webSocket.newPair();
    constructor() {
      const { 0: one, 1: two } = this.#sockets;
      const { defineProperty } = shared.primordials;
      defineProperty(this, "0", { __proto__: null, value: one, writable: false, enumerable: true, configurable: false });
      defineProperty(this, "1", { __proto__: null, value: two, writable: false, enumerable: true, configurable: false });
    }
    entries() { return new PairIterator(this.#sockets); }
  }
  expose(WebSocket, "WebSocket");
  expose(WebSocketPair, "WebSocketPair");
  shared.primordials.defineProperty(WebSocketPair.prototype, symbolIterator, {
    __proto__: null, value: WebSocketPair.prototype.entries, writable: true, enumerable: false, configurable: true,
  });
})
