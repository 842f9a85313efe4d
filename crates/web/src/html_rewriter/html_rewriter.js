// HTMLRewriter: https://developers.cloudflare.com/workers/runtime-apis/html-rewriter/
//
// A rewrite is driven by codes: what Rust stops for, or what has arrived for it. One that has to wait, for the body, a
// handler's promise or a reader, keeps its next code in `paused` or gets it from whom it waits for.
(function (native, shared) {
  "use strict";

  const {
    Map, TypeError, apply, floor, mapDelete, mapGet, promiseThen,
  } = shared.primordials;
  const { expose, requireArguments, usv } = shared.webidl;
  const { deferred, done, later, markHandled, resolved } = shared.promises;
  const {
    acquireReader, byteError, byteGive, endBytes, objectOf, readerRead, startedByteStream, stateOf, streamCancel,
  } = shared.streams;
  const {
    bodyOf, newComment, newDoctype, newDocumentEnd, newElement, newEndTag, newText,
  } = shared.htmlTokens;

  // As Rust numbers them; the handlers' follow.
  const INPUT = 0, OUTPUT = 1, END = 2, CONTENT = 3, ELEMENT = 4, END_TAG = 5, COMMENT = 6, TEXT = 7, DOCTYPE = 8;
  // Own ones: nothing is known; a chunk of the body or of content has come, or their end; a handler has returned.
  const NONE = -1, CHUNK = 10, CLOSED = 11, CONTENT_CHUNK = 12, CONTENT_CLOSED = 13, HANDLED = 14;

  const isObject = (value) => (typeof value === "object" && value !== null) || typeof value === "function";

  // Passes what has come out to the reader if it wants any, who then has to ask again. True if that was all: nothing has
  // come out, and the reader waits.
  const isHungry = (rewrite, code) => {
    if (!rewrite.wanted) {
      rewrite.paused = code;
      return false;
    }
    const chunk = native.output(rewrite.native);
    if (chunk === undefined) return true;
    rewrite.paused = code;
    give(rewrite, chunk);
    return false;
  };

  const give = (rewrite, chunk) => {
    rewrite.wanted = false;
    const { pulled } = rewrite;
    rewrite.pulled = null;
    // May ask for more at once.
    byteGive(rewrite.stream.controller, chunk);
    if (pulled !== null) pulled.resolve(undefined);
  };

  // Lets go of everything that user code gave.
  const close = (rewrite) => {
    rewrite.isOver = true;
    rewrite.code = rewrite.paused = NONE;
    rewrite.handlers = rewrite.endTags = rewrite.contents = rewrite.chunk = null;
    const { pulled } = rewrite;
    rewrite.pulled = null;
    if (pulled !== null) pulled.resolve(undefined);
  };

  // Comes to an end in the middle. The promise of the body's being cancelled.
  const stop = (rewrite, reason) => {
    const { content } = rewrite;
    native.stop(rewrite.native);
    close(rewrite);
    if (content !== null) markHandled(streamCancel(content.reader.stream, reason));
    return streamCancel(rewrite.reader.stream, reason);
  };

  const fail = (rewrite, error) => {
    if (rewrite.isOver) return;
    markHandled(stop(rewrite, error));
    byteError(rewrite.stream.controller, error);
  };

  const newToken = (tag, rewrite, call) => {
    switch (tag) {
      case ELEMENT: return newElement(rewrite, call);
      case END_TAG: return newEndTag(rewrite, call);
      case COMMENT: return newComment(rewrite, call);
      case TEXT: return newText(rewrite, call);
      case DOCTYPE: return newDoctype(rewrite, call);
      default: return newDocumentEnd(rewrite, call);
    }
  };

  // Calls a handler. The code to go on with, if it needn't be waited for.
  const handle = (rewrite, tag, number) => {
    const call = rewrite.calls = (rewrite.calls + 1) | 0;
    const handler = tag === END_TAG ? mapGet(rewrite.endTags, number) : rewrite.handlers[number];
    const result = apply(handler.callback, handler.owner, [newToken(tag, rewrite, call)]);
    // It may have cancelled the stream.
    if (rewrite.isOver) return NONE;
    if (!isObject(result) || typeof result.then !== "function") return HANDLED;
    if (rewrite.wanted) {
      const chunk = native.output(rewrite.native);
      if (chunk !== undefined) give(rewrite, chunk);
    }
    promiseThen(resolved(result), () => {
      if (rewrite.isOver) return;
      native.settle(rewrite.native);
      proceed(rewrite, HANDLED);
    }, (error) => { fail(rewrite, error); });
    return NONE;
  };

  const forgetEndTags = (rewrite) => {
    const numbers = native.released(rewrite.native);
    if (numbers === undefined) return;
    for (let i = 0; i < numbers.length; i++) mapDelete(rewrite.endTags, numbers[i]);
  };

  // Does what `code` says. The next code, if it is known at once and nobody has set it.
  const step = (rewrite, code) => {
    const tag = code % 16;
    switch (tag) {
      case INPUT:
        forgetEndTags(rewrite);
        if (isHungry(rewrite, code)) readerRead(rewrite.reader, rewrite.request);
        return NONE;
      case OUTPUT:
        return isHungry(rewrite, code) ? native.proceed(rewrite.native) : NONE;
      case CHUNK: {
        const { chunk } = rewrite;
        rewrite.chunk = null;
        return native.feed(rewrite.native, chunk);
      }
      case CLOSED:
        return native.finish(rewrite.native);
      case END: {
        const chunk = native.output(rewrite.native);
        const { controller } = rewrite.stream;
        if (chunk !== undefined) give(rewrite, chunk);
        // The reader may have cancelled it.
        if (!rewrite.isOver) {
          endBytes(controller);
          close(rewrite);
        }
        return NONE;
      }
      case CONTENT: {
        if (!isHungry(rewrite, code)) return NONE;
        const content = mapGet(rewrite.contents, floor(code / 16));
        if (content.reader === null) content.reader = acquireReader(stateOf(content.stream));
        rewrite.content = content;
        readerRead(content.reader, rewrite.contentRequest);
        return NONE;
      }
      case CONTENT_CHUNK: {
        const { chunk } = rewrite;
        rewrite.chunk = null;
        return native.feedContent(rewrite.native, chunk);
      }
      case CONTENT_CLOSED:
        mapDelete(rewrite.contents, rewrite.content.number);
        rewrite.content = null;
        return native.finishContent(rewrite.native);
      case HANDLED:
        return native.proceed(rewrite.native);
      default:
        return handle(rewrite, tag, floor(code / 16));
    }
  };

  // Goes on with `code`, as far as can be without waiting.
  const proceed = (rewrite, code) => {
    rewrite.code = code;
    if (rewrite.isRunning) return;
    rewrite.isRunning = true;
    try {
      while (rewrite.code !== NONE) {
        const now = rewrite.code;
        rewrite.code = NONE;
        const next = step(rewrite, now);
        if (next !== NONE && !rewrite.isOver) rewrite.code = next;
      }
    } catch (error) {
      fail(rewrite, error);
    }
    rewrite.isRunning = false;
  };

  const newRewrite = (rewriting, handlers, reader) => {
    const rewrite = {
      __proto__: null,
      native: rewriting,
      handlers,
      // Number → handler of an end tag; number → what is to be inserted.
      endTags: new Map(),
      contents: new Map(),
      numbered: 0,
      streams: 0,
      // How many handlers were called, and how often attributes were changed.
      calls: 0,
      changes: 0,
      reader,
      // What is being inserted.
      content: null,
      chunk: null,
      stream: null,
      // Whether the reader waits. At first it counts as waiting: handlers run even if nobody reads.
      wanted: true,
      pulled: null,
      code: NONE,
      paused: NONE,
      isRunning: false,
      isOver: false,
      request: {
        __proto__: null,
        chunk(value) {
          if (rewrite.isOver) return;
          rewrite.chunk = value;
          proceed(rewrite, CHUNK);
        },
        close() { if (!rewrite.isOver) proceed(rewrite, CLOSED); },
        error(error) { fail(rewrite, error); },
      },
      contentRequest: {
        __proto__: null,
        chunk(value) {
          if (rewrite.isOver) return;
          rewrite.chunk = value;
          proceed(rewrite, CONTENT_CHUNK);
        },
        close() { if (!rewrite.isOver) proceed(rewrite, CONTENT_CLOSED); },
        error(error) { fail(rewrite, error); },
      },
    };
    const pull = () => {
      if (rewrite.isOver) return done;
      rewrite.wanted = true;
      const { paused } = rewrite;
      const { promise } = rewrite.pulled = deferred();
      if (paused !== NONE) {
        rewrite.paused = NONE;
        proceed(rewrite, paused);
      }
      return promise;
    };
    rewrite.stream = startedByteStream(pull, (reason) => (rewrite.isOver ? done : stop(rewrite, reason)));
    return rewrite;
  };

  // Puts the functions of a handlers object into their places, as `{ callback, owner }`. A bit for each.
  const readHandlers = (list, object, names, kind, operation, position) => {
    if (object === undefined || object === null) return 0;
    if (!isObject(object)) {
      throw new TypeError(`Failed to execute '${operation}': parameter ${position} is not of type '${kind}'.`);
    }
    let bits = 0;
    for (let i = 0; i < names.length; i++) {
      const callback = object[names[i]];
      if (callback === undefined) continue;
      if (typeof callback !== "function") {
        throw new TypeError(`Incorrect type for the '${names[i]}' field on '${kind}': the provided value is not of type 'function'.`);
      }
      bits |= 1 << i;
      list[i] = { __proto__: null, callback, owner: object };
    }
    return bits;
  };

  const ELEMENT_HANDLERS = ["element", "comments", "text"];
  const DOCUMENT_HANDLERS = ["doctype", "comments", "text", "end"];

  class HTMLRewriter {
    // For each call of `on` or `onDocument` the selector, if any, and which handlers there are; four places for them.
    #plan = [];
    #handlers = [];

    // `selector` is text, or null for the document. Arguments are converted before any is judged.
    #add(selector, object, names, kind, operation, position) {
      const handlers = [undefined, undefined, undefined, undefined];
      const bits = readHandlers(handlers, object, names, kind, operation, position);
      const parsed = selector === null ? null : native.selector(selector);
      const list = this.#handlers;
      for (let i = 0; i < 4; i++) list[list.length] = handlers[i];
      const plan = this.#plan;
      plan[plan.length] = parsed;
      plan[plan.length] = bits;
      return this;
    }

    on(selector, handlers) {
      const { length } = arguments;
      requireArguments(length, 1, "on' on 'HTMLRewriter");
      const text = usv(selector);
      requireArguments(length, 2, "on' on 'HTMLRewriter", "ElementContentHandlers");
      return this.#add(
        text, handlers, ELEMENT_HANDLERS, "ElementContentHandlers", "on' on 'HTMLRewriter", 2,
      );
    }

    onDocument(handlers) {
      requireArguments(arguments.length, 1, "onDocument' on 'HTMLRewriter", "DocumentContentHandlers");
      return this.#add(
        null, handlers, DOCUMENT_HANDLERS, "DocumentContentHandlers", "onDocument' on 'HTMLRewriter", 1,
      );
    }

    transform(response) {
      const plan = this.#plan;
      if (!native.isResponse(response)) {
        throw new TypeError("Failed to execute 'transform' on 'HTMLRewriter': parameter 1 is not of type 'Response'.");
      }
      if (native.isError(response)) throw new TypeError("HTMLRewriter cannot transform an error response");
      const body = bodyOf(response);
      if (body === null) return response;
      const rewriting = native.begin(plan, response);
      const reader = acquireReader(stateOf(body));
      reader.stream.disturbed = true;
      const handlers = [];
      for (let i = 0; i < this.#handlers.length; i++) handlers[i] = this.#handlers[i];
      const rewrite = newRewrite(rewriting, handlers, reader);
      later(() => { if (!rewrite.isOver && !rewrite.isRunning) proceed(rewrite, INPUT); });
      return native.withBody(response, objectOf(rewrite.stream));
    }
  }

  expose(HTMLRewriter, "HTMLRewriter");
})
