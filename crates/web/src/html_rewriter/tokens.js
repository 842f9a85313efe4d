// What the handlers of an HTMLRewriter get: https://developers.cloudflare.com/workers/runtime-apis/html-rewriter/
//
// A token is known by its rewriting and by how many handlers had been called when it was made; Rust refuses what is asked
// of any but the current one.
(function (native, shared) {
  "use strict";

  const {
    Error, TypeError, getOwnPropertyDescriptor, iteratorPrototype, mapSet, setPrototypeOf, symbolIterator, uncurryThis,
  } = shared.primordials;
  const { interfaceOf, requireArguments, usv } = shared.webidl;
  const { isStream } = shared.bodies;
  const bodyOf = uncurryThis(getOwnPropertyDescriptor(globalThis.Response.prototype, "body").get);

  // Given this token, a constructor makes an object.
  const INTERNAL = Symbol("internal");
  // As Rust numbers them.
  const BEFORE = 0, AFTER = 1, PREPEND = 2, APPEND = 3, REPLACE = 4, INNER = 5;

  const requireInternal = (key) => {
    if (key !== INTERNAL) throw new TypeError("Illegal constructor");
  };

  const isHtml = (options, operation) => {
    if (options === undefined || options === null) return false;
    if (typeof options !== "object" && typeof options !== "function") {
      throw new TypeError(`Failed to execute '${operation}': parameter 2 is not of type 'ContentOptions'.`);
    }
    return !!options.html;
  };

  // Inserts a string, a ReadableStream or the body of a Response.
  const insert = (rewrite, call, place, operation, given, content, options) => {
    requireArguments(given, 1, operation, "string or ReadableStream or Response");
    let stream = null;
    if (typeof content === "object" && content !== null) {
      if (isStream(content)) stream = content;
      else if (native.isResponse(content)) {
        stream = bodyOf(content);
        // There is nothing to insert.
        if (stream === null) {
          native.removed(rewrite.native, call);
          return;
        }
      }
    }
    if (stream === null) {
      const text = usv(content);
      native.insert(rewrite.native, call, place, text, isHtml(options, operation));
      return;
    }
    const html = isHtml(options, operation);
    const number = rewrite.streams++;
    native.insertStream(rewrite.native, call, place, number, html);
    mapSet(rewrite.contents, number, { __proto__: null, number, stream, reader: null });
  };

  const textOnly = (content) => {
    if (typeof content === "object" && content !== null && (isStream(content) || native.isResponse(content))) {
      throw new TypeError(
        "Replacing content in HTML comments using a ReadableStream or Response object is not implemented. You must provide a string.",
      );
    }
    return content;
  };

  class AttributesIterator {
    #rewrite;
    #call;
    #changes;
    #index = 0;
    constructor(key, rewrite, call) {
      requireInternal(key);
      this.#rewrite = rewrite;
      this.#call = call;
      this.#changes = rewrite.changes;
    }
    next() {
      const rewrite = this.#rewrite;
      const value = native.attributeAt(rewrite.native, this.#call, this.#index);
      if (rewrite.changes !== this.#changes) {
        throw new Error(
          "The attributes of this element have been modified during iteration. You must create a new iterator after modifying attributes.",
        );
      }
      if (value === undefined) return { done: true, value };
      this.#index++;
      return { done: false, value };
    }
    [symbolIterator]() { return this; }
  }

  class Element {
    #rewrite;
    #call;
    constructor(key, rewrite, call) {
      requireInternal(key);
      this.#rewrite = rewrite;
      this.#call = call;
    }
    get tagName() { return native.name(this.#rewrite.native, this.#call); }
    set tagName(name) { native.setName(this.#rewrite.native, this.#call, usv(name)); }
    get attributes() {
      // Throws if the token is over.
      native.removed(this.#rewrite.native, this.#call);
      return new AttributesIterator(INTERNAL, this.#rewrite, this.#call);
    }
    get removed() { return native.removed(this.#rewrite.native, this.#call); }
    get namespaceURI() { return native.namespaceURI(this.#rewrite.native, this.#call); }
    getAttribute(name) {
      requireArguments(arguments.length, 1, "getAttribute' on 'Element");
      return native.attribute(this.#rewrite.native, this.#call, usv(name));
    }
    hasAttribute(name) {
      requireArguments(arguments.length, 1, "hasAttribute' on 'Element");
      return native.hasAttribute(this.#rewrite.native, this.#call, usv(name));
    }
    setAttribute(name, value) {
      requireArguments(arguments.length, 2, "setAttribute' on 'Element");
      const rewrite = this.#rewrite;
      native.setAttribute(rewrite.native, this.#call, usv(name), usv(value));
      rewrite.changes++;
      return this;
    }
    removeAttribute(name) {
      requireArguments(arguments.length, 1, "removeAttribute' on 'Element");
      const rewrite = this.#rewrite;
      native.removeAttribute(rewrite.native, this.#call, usv(name));
      rewrite.changes++;
      return this;
    }
    before(content, options = undefined) {
      insert(this.#rewrite, this.#call, BEFORE, "before' on 'Element", arguments.length, content, options);
      return this;
    }
    after(content, options = undefined) {
      insert(this.#rewrite, this.#call, AFTER, "after' on 'Element", arguments.length, content, options);
      return this;
    }
    prepend(content, options = undefined) {
      insert(this.#rewrite, this.#call, PREPEND, "prepend' on 'Element", arguments.length, content, options);
      return this;
    }
    append(content, options = undefined) {
      insert(this.#rewrite, this.#call, APPEND, "append' on 'Element", arguments.length, content, options);
      return this;
    }
    replace(content, options = undefined) {
      insert(this.#rewrite, this.#call, REPLACE, "replace' on 'Element", arguments.length, content, options);
      return this;
    }
    setInnerContent(content, options = undefined) {
      insert(this.#rewrite, this.#call, INNER, "setInnerContent' on 'Element", arguments.length, content, options);
      return this;
    }
    remove() {
      native.remove(this.#rewrite.native, this.#call);
      return this;
    }
    removeAndKeepContent() {
      native.removeAndKeepContent(this.#rewrite.native, this.#call);
      return this;
    }
    onEndTag(handler) {
      const rewrite = this.#rewrite;
      if (typeof handler !== "function") {
        throw new TypeError("Failed to execute 'onEndTag' on 'Element': parameter 1 is not of type 'function'.");
      }
      const number = rewrite.numbered++;
      native.onEndTag(rewrite.native, this.#call, number);
      mapSet(rewrite.endTags, number, { __proto__: null, callback: handler, owner: undefined });
    }
  }

  class EndTag {
    #rewrite;
    #call;
    constructor(key, rewrite, call) {
      requireInternal(key);
      this.#rewrite = rewrite;
      this.#call = call;
    }
    get name() { return native.name(this.#rewrite.native, this.#call); }
    set name(name) { native.setName(this.#rewrite.native, this.#call, usv(name)); }
    before(content, options = undefined) {
      insert(this.#rewrite, this.#call, BEFORE, "before' on 'EndTag", arguments.length, content, options);
      return this;
    }
    after(content, options = undefined) {
      insert(this.#rewrite, this.#call, AFTER, "after' on 'EndTag", arguments.length, content, options);
      return this;
    }
    remove() {
      native.remove(this.#rewrite.native, this.#call);
      return this;
    }
  }

  class Comment {
    #rewrite;
    #call;
    constructor(key, rewrite, call) {
      requireInternal(key);
      this.#rewrite = rewrite;
      this.#call = call;
    }
    get text() { return native.text(this.#rewrite.native, this.#call); }
    set text(text) { native.setText(this.#rewrite.native, this.#call, usv(text)); }
    get removed() { return native.removed(this.#rewrite.native, this.#call); }
    before(content, options = undefined) {
      insert(this.#rewrite, this.#call, BEFORE, "before' on 'Comment", arguments.length, textOnly(content), options);
      return this;
    }
    after(content, options = undefined) {
      insert(this.#rewrite, this.#call, AFTER, "after' on 'Comment", arguments.length, textOnly(content), options);
      return this;
    }
    replace(content, options = undefined) {
      insert(this.#rewrite, this.#call, REPLACE, "replace' on 'Comment", arguments.length, textOnly(content), options);
      return this;
    }
    remove() {
      native.remove(this.#rewrite.native, this.#call);
      return this;
    }
  }

  class Text {
    #rewrite;
    #call;
    constructor(key, rewrite, call) {
      requireInternal(key);
      this.#rewrite = rewrite;
      this.#call = call;
    }
    get text() { return native.text(this.#rewrite.native, this.#call); }
    get lastInTextNode() { return native.lastInTextNode(this.#rewrite.native, this.#call); }
    get removed() { return native.removed(this.#rewrite.native, this.#call); }
    before(content, options = undefined) {
      insert(this.#rewrite, this.#call, BEFORE, "before' on 'Text", arguments.length, content, options);
      return this;
    }
    after(content, options = undefined) {
      insert(this.#rewrite, this.#call, AFTER, "after' on 'Text", arguments.length, content, options);
      return this;
    }
    replace(content, options = undefined) {
      insert(this.#rewrite, this.#call, REPLACE, "replace' on 'Text", arguments.length, content, options);
      return this;
    }
    remove() {
      native.remove(this.#rewrite.native, this.#call);
      return this;
    }
  }

  class Doctype {
    #rewrite;
    #call;
    constructor(key, rewrite, call) {
      requireInternal(key);
      this.#rewrite = rewrite;
      this.#call = call;
    }
    get name() { return native.name(this.#rewrite.native, this.#call); }
    get publicId() { return native.publicId(this.#rewrite.native, this.#call); }
    get systemId() { return native.systemId(this.#rewrite.native, this.#call); }
  }

  class DocumentEnd {
    #rewrite;
    #call;
    constructor(key, rewrite, call) {
      requireInternal(key);
      this.#rewrite = rewrite;
      this.#call = call;
    }
    append(content, options = undefined) {
      insert(this.#rewrite, this.#call, APPEND, "append' on 'DocumentEnd", arguments.length, textOnly(content), options);
      return this;
    }
  }

  interfaceOf(AttributesIterator, "AttributesIterator");
  setPrototypeOf(AttributesIterator.prototype, iteratorPrototype);
  interfaceOf(Element, "Element");
  interfaceOf(EndTag, "EndTag");
  interfaceOf(Comment, "Comment");
  interfaceOf(Text, "Text");
  interfaceOf(Doctype, "Doctype");
  interfaceOf(DocumentEnd, "DocumentEnd");

  shared.htmlTokens = {
    __proto__: null,
    bodyOf,
    newElement: (rewrite, call) => new Element(INTERNAL, rewrite, call),
    newEndTag: (rewrite, call) => new EndTag(INTERNAL, rewrite, call),
    newComment: (rewrite, call) => new Comment(INTERNAL, rewrite, call),
    newText: (rewrite, call) => new Text(INTERNAL, rewrite, call),
    newDoctype: (rewrite, call) => new Doctype(INTERNAL, rewrite, call),
    newDocumentEnd: (rewrite, call) => new DocumentEnd(INTERNAL, rewrite, call),
  };
})
