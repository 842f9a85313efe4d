// Behaviour of HTMLRewriter, asked of workerd by `record.sh` and of ours by `tests/recorded_modules.rs`. Each case returns
// something JSON can show.
const outcome = async (f) => {
  try {
    const value = await f();
    return value === undefined ? "undefined" : value;
  } catch (e) {
    return `throws ${e?.name}: ${e?.message}`;
  }
};
const attempt = (f) => { try { return f() ?? null; } catch (e) { return `throws ${e?.name}: ${e?.message}`; } };
const HTML = { headers: { "content-type": "text/html" } };
const response = (html, init = HTML) => new Response(html, init);
const on = (selector, handlers, html) => new HTMLRewriter().on(selector, handlers).transform(response(html)).text();
const element = (selector, f, html) => on(selector, { element: f }, html);
const comments = (selector, f, html) => on(selector, { comments: f }, html);
const text = (selector, f, html) => on(selector, { text: f }, html);
const onDocument = (handlers, html) => new HTMLRewriter().onDocument(handlers).transform(response(html)).text();
const later = (f) => new Promise((resolve) => setTimeout(resolve, 1)).then(f);
const bytes = (string) => Uint8Array.from(string, (c) => c.charCodeAt(0));
// A stream that gives the pieces one by one, each a turn later.
const pieces = (...parts) => {
  const encoder = new TextEncoder();
  return new ReadableStream({
    async pull(controller) {
      await later(() => {});
      const part = parts.shift();
      if (part === undefined) controller.close();
      else if (part instanceof Error) controller.error(part);
      else controller.enqueue(typeof part === "string" ? encoder.encode(part) : part);
    },
  });
};
const PAGE = '<!DOCTYPE html><html><head><title>T</title></head><body class="a b"><!--c--><p id="x">one<b>two</b></p><br><a href="/u" title=\'v\' data-n=1 checked>link</a></body></html>';
// The elements that a selector finds, by tag name and id.
const found = async (selector, html) => { const seen = []; await element(selector, (e) => { seen.push(e.tagName + (e.getAttribute("id") ?? "")); }, html); return seen; };
const TREE = '<div id=1 class="a b" lang="en-US" data-x="foo bar"><p id=2>x</p><p id=3 class=b>y<span id=4>z</span></p><ul id=5><li id=6>1<li id=7>2<li id=8>3</ul><img id=9 src="a.png"></div><p id=10></p>';
const prototypeOf = (token) => Object.getPrototypeOf(token);
const methods = (prototype) => Object.getOwnPropertyNames(prototype).sort();
const enumerable = (o) => { const keys = []; for (const k in o) keys.push(k); return keys.sort(); };

export const cases = {
  // --- the class ---
  global: () => [typeof HTMLRewriter, HTMLRewriter.name, HTMLRewriter.length, Object.prototype.toString.call(new HTMLRewriter())],
  members: () => enumerable(new HTMLRewriter()),
  lengths: () => [HTMLRewriter.prototype.on.length, HTMLRewriter.prototype.onDocument.length, HTMLRewriter.prototype.transform.length],
  token_globals: () => ["Element", "EndTag", "Comment", "Text", "Doctype", "DocumentEnd", "AttributesIterator"].map((name) => typeof globalThis[name]),
  no_new: () => HTMLRewriter(),
  chains: () => { const r = new HTMLRewriter(); return [r.on("a", {}) === r, r.onDocument({}) === r]; },
  wrong_receiver: () => attempt(() => HTMLRewriter.prototype.on.call({}, "a", {})),
  on_without_arguments: () => new HTMLRewriter().on(),
  on_one_argument: () => new HTMLRewriter().on("a"),
  on_handlers_kinds: () => [null, undefined, 1, "a", () => {}, []].map((h) => attempt(() => typeof new HTMLRewriter().on("a", h))),
  on_document_kinds: () => [null, undefined, 1, () => {}].map((h) => attempt(() => typeof new HTMLRewriter().onDocument(h))),
  handler_kinds: () => [null, undefined, 1, "a", {}].map((element) => attempt(() => typeof new HTMLRewriter().on("a", { element }))),
  handler_kinds_end: () => attempt(() => new HTMLRewriter().onDocument({ end: 1 })),
  handlers_are_read_at_once: async () => { const h = { element(e) { e.before("1"); } }; const r = new HTMLRewriter().on("a", h); h.element = (e) => { e.before("2"); }; return r.transform(response("<a>")).text(); },
  this_in_handlers: async () => { const h = { seen: [], element() { this.seen.push("e"); }, text() { this.seen.push("t"); } }; await on("a", h, "<a>x</a>"); return h.seen; },
  class_handlers: async () => { class H { #n = 0; element(e) { e.setAttribute("n", ++this.#n); } } return on("a", new H(), "<a></a><a></a>"); },
  selector_is_converted: () => on({ toString: () => "a" }, { element(e) { e.before("!"); } }, "<a>"),
  transform_kinds: () => [undefined, null, 1, "<a>", {}, new Request("http://x/")].map((r) => attempt(() => new HTMLRewriter().transform(r))),
  transform_no_arguments: () => new HTMLRewriter().transform(),

  // --- transform ---
  passthrough: () => new HTMLRewriter().transform(response(PAGE)).text(),
  new_response: async () => { const a = response("x"); const b = new HTMLRewriter().transform(a); return [a === b, a.bodyUsed, b.bodyUsed, b instanceof Response]; },
  null_body: () => { const a = new Response(null, { status: 204 }); return new HTMLRewriter().transform(a) === a; },
  keeps_head: async () => { const a = new Response("x", { status: 404, statusText: "Nope", headers: { "x-a": "1", "content-type": "text/html", "set-cookie": "a=b" } }); const b = new HTMLRewriter().transform(a); return [b.status, b.statusText, [...b.headers]]; },
  content_length_header: () => { const b = new HTMLRewriter().transform(response("xyz", { headers: { "content-length": "3" } })); return b.headers.get("content-length"); },
  error_response: () => attempt(() => new HTMLRewriter().transform(Response.error())),
  used_body: async () => { const a = response("x"); await a.text(); return attempt(() => new HTMLRewriter().transform(a).status); },
  locked_body: async () => { const a = response("x"); a.body.getReader(); return attempt(() => new HTMLRewriter().transform(a).status); },
  twice: async () => { const a = response("x"); new HTMLRewriter().transform(a); return attempt(() => new HTMLRewriter().transform(a).status); },
  rewriter_is_reusable: async () => { let n = 0; const r = new HTMLRewriter().on("a", { element(e) { e.after(String(++n)); } }); return [await r.transform(response("<a></a>")).text(), await r.transform(response("<a></a><a></a>")).text()]; },
  handlers_added_later: async () => { const r = new HTMLRewriter(); const b = r.transform(response("<a>")); r.on("a", { element(e) { e.before("!"); } }); return b.text(); },
  empty_body: () => element("a", () => {}, ""),
  not_html: () => element("a", (e) => { e.remove(); }, "{\"a\": \"<a>x</a>\"}"),
  chained_transforms: () => new HTMLRewriter().on("a", { element(e) { e.tagName = "b"; } }).transform(new HTMLRewriter().on("i", { element(e) { e.tagName = "a"; } }).transform(response("<i>x</i>"))).text(),
  runs_without_reader: async () => { let n = 0; new HTMLRewriter().on("a", { element() { n++; } }).transform(response("<a></a><a></a>")); await later(() => {}); await later(() => {}); return n > 0; },
  not_at_once: () => { let n = 0; new HTMLRewriter().on("a", { element() { n++; } }).transform(response("<a></a><a></a>")); return n; },
  clone_of_result: async () => { const b = new HTMLRewriter().on("a", { element(e) { e.remove(); } }).transform(response("x<a>y</a>")); const c = b.clone(); return [await b.text(), await c.text()]; },

  // --- selectors ---
  select_any: () => found("*", TREE),
  select_type: () => found("p", TREE),
  select_class: () => found(".b", TREE),
  select_id: () => found("[id='3']", TREE),
  select_hash: () => found("#x", PAGE),
  select_attribute: () => found("[src]", TREE),
  select_attribute_equals: () => found('[src="a.png"]', TREE),
  select_attribute_insensitive: () => found('[src="A.PNG" i]', TREE),
  select_attribute_word: () => found('[data-x~="bar"]', TREE),
  select_attribute_prefix: () => found('[src^="a"]', TREE),
  select_attribute_suffix: () => found('[src$=".png"]', TREE),
  select_attribute_part: () => found('[src*="."]', TREE),
  select_attribute_dash: () => found('[lang|="en"]', TREE),
  select_descendant: () => found("div span", TREE),
  select_child: () => found("div > p", TREE),
  select_not: () => found("p:not(.b)", TREE),
  select_nth_child: () => found("p:nth-child(2)", TREE),
  select_first_child: () => found("li:first-child", TREE),
  select_nth_of_type: () => found("li:nth-of-type(2n+1)", TREE),
  select_first_of_type: () => found("p:first-of-type", TREE),
  select_compound: () => found("div.a.b > p.b[id]", TREE),
  select_list: () => found("span, img", TREE),
  select_upper_case: () => found("DIV", "<div></div><DIV></DIV>"),
  bad_selectors: () => ["", " ", "a >", "a:hover", "a::before", "a + b", "a ~ b", "[", "a:nth-last-child(1)", ":is(a)", "a:has(b)", "ns|a", "!", "a{", ".", "#", "a,", "a:not(", ":nth-child(x)", "a:not(b c)", ":root", "a b > ", "*|*"].map((s) => attempt(() => typeof new HTMLRewriter().on(s, {}))),

  // --- elements ---
  element_class: () => { let seen; return element("p", (e) => { seen = [e.constructor.name, Object.prototype.toString.call(e)]; }, PAGE).then(() => seen); },
  element_members: () => { let seen; return element("p", (e) => { seen = enumerable(e); }, PAGE).then(() => seen); },
  element_constructor: () => { let seen; return element("p", (e) => { seen = attempt(() => new e.constructor()); }, PAGE).then(() => seen); },
  element_expando: () => { const seen = []; return new HTMLRewriter().on("p", { element(e) { e.x = 1; seen.push(e.x); } }).on("p", { element(e) { seen.push(e.x ?? null); } }).transform(response("<p>")).text().then(() => seen); },
  tag_name: async () => { const seen = []; await element("*", (e) => { seen.push(e.tagName); }, "<DIV><sVg><foreignObject><My-Tag>"); return seen; },
  set_tag_name: () => element("p, br", (e) => { e.tagName = "Q-" + e.tagName; }, PAGE),
  set_tag_name_then_get: () => { let seen; return element("p", (e) => { e.tagName = "Xy"; seen = e.tagName; }, "<p>a</p>").then((t) => [t, seen]); },
  set_tag_name_bad: () => { let seen; return element("p", (e) => { seen = ["", "1a", "a b", "a>", "a/", "é"].map((n) => attempt(() => { e.tagName = n; return e.tagName; })); }, "<p>a</p>").then((t) => [t, seen]); },
  namespaces: async () => { const seen = []; await element("*", (e) => { seen.push(e.namespaceURI); }, "<p><svg><a/></svg><math><mi/></math>"); return seen; },
  attributes: async () => { let seen; await element("a", (e) => { seen = [...e.attributes]; }, PAGE); return seen; },
  attributes_entities: async () => { let seen; await element("a", (e) => { seen = [e.getAttribute("href"), [...e.attributes]]; }, "<a HREF='?a&amp;b&#x27;\"' X>"); return seen; },
  attributes_iterator: async () => { let seen; await element("a", (e) => { const i = e.attributes; const p = Object.getPrototypeOf(i); seen = [i[Symbol.iterator]() === i, p.constructor.name, Object.prototype.toString.call(i), Object.getPrototypeOf(p) === Object.getPrototypeOf(Object.getPrototypeOf([][Symbol.iterator]())), i === e.attributes, i.next(), [...i].length, i.next()]; }, PAGE); return seen; },
  attributes_changed: async () => { let seen; await element("a", (e) => { const i = e.attributes; i.next(); e.setAttribute("n", "1"); const j = e.attributes; e.removeAttribute("n"); seen = [attempt(() => i.next()), attempt(() => j.next())]; }, PAGE); return seen; },
  attributes_duplicate: async () => { let seen; await element("a", (e) => { seen = [...e.attributes, e.getAttribute("x")]; }, "<a x=1 X=2 x=3>"); return seen; },
  get_attribute: async () => { let seen; await element("a", (e) => { seen = ["href", "HREF", "title", "checked", "none", "", 1].map((n) => attempt(() => e.getAttribute(n))); seen.push(attempt(() => e.getAttribute())); }, PAGE); return seen; },
  has_attribute: async () => { let seen; await element("a", (e) => { seen = ["href", "TITLE", "checked", "none", ""].map((n) => attempt(() => e.hasAttribute(n))); seen.push(attempt(() => e.hasAttribute())); }, PAGE); return seen; },
  set_attribute: () => element("a", (e) => { e.setAttribute("href", "/é\"'<>&"); e.setAttribute("NEW", 5); e.setAttribute("checked", ""); e.setAttribute("title", null); }, PAGE),
  set_attribute_returns: async () => { let seen; await element("a", (e) => { seen = [e.setAttribute("x", "1") === e, e.removeAttribute("x") === e, e.removeAttribute("none") === e]; }, PAGE); return seen; },
  set_attribute_bad: async () => { let seen; const t = await element("a", (e) => { seen = ["", "a b", "a=", "a>", "a/", "a\"", "é", "a\0"].map((n) => attempt(() => e.setAttribute(n, "v") === e)); seen.push(attempt(() => e.setAttribute("x")), attempt(() => e.setAttribute())); }, "<a></a>"); return [t, seen]; },
  remove_attribute: () => element("a", (e) => { e.removeAttribute("HREF").removeAttribute("checked"); }, PAGE),
  before_after: () => element("b", (e) => { e.before("1").before("<2>", { html: true }).after("3").after("<4>", { html: true }); }, PAGE),
  prepend_append: () => element("b", (e) => { e.prepend("1").prepend("<2>", { html: true }).append("3").append("<4>", { html: true }); }, PAGE),
  replace: () => element("p", (e) => { e.replace("<&>\"'", { html: false }); }, PAGE),
  replace_twice: () => element("p", (e) => { e.replace("1"); e.replace("<2>", { html: true }); e.before("b").after("a"); }, PAGE),
  set_inner_content: () => element("p", (e) => { e.append("gone"); e.setInnerContent("<i>", { html: true }); e.append("more"); e.prepend("first"); }, PAGE),
  remove: () => element("p", (e) => { e.remove(); }, PAGE),
  remove_keeps_around: () => element("p", (e) => { e.before("1"); e.after("2"); e.append("3"); e.remove(); }, PAGE),
  remove_and_keep_content: () => element("p", (e) => { e.removeAndKeepContent(); }, PAGE),
  removed: async () => { const seen = []; await element("p", (e) => { seen.push(e.removed); e.remove(); seen.push(e.removed); }, PAGE); await element("p", (e) => { e.removeAndKeepContent(); seen.push(e.removed); }, PAGE); await element("p", (e) => { e.replace(""); seen.push(e.removed); e.setInnerContent(""); }, PAGE); return seen; },
  void_elements: () => element("br", (e) => { e.prepend("p").append("a").setInnerContent("i").before("1").after("2"); }, PAGE),
  void_replace: () => element("br", (e) => { e.replace("<hr>", { html: true }); }, PAGE),
  self_closing: () => element("a, p", (e) => { e.append("x"); }, "<svg><a/></svg><p/>"),
  content_options: () => element("b", (e) => { e.before("<1>", undefined).before("<2>", null).before("<3>", {}).before("<4>", { html: undefined }).before("<5>", { html: 1 }).before("<6>", { html: "" }); }, "<b></b>"),
  content_options_bad: async () => { let seen; await element("b", (e) => { seen = [1, "x", true].map((o) => attempt(() => e.before("<1>", o) === e)); }, "<b></b>"); return seen; },
  content_kinds: async () => { let seen; const t = await element("b", (e) => { seen = [1, null, undefined, {}, true, "\ud800", new Uint8Array([65])].map((c) => attempt(() => e.before(c) === e)); seen.push(attempt(() => e.before())); }, "<b></b>"); return [t, seen]; },
  mutations_chain: async () => { let seen; await element("b", (e) => { seen = ["before", "after", "prepend", "append", "replace", "setInnerContent", "remove", "removeAndKeepContent"].map((m) => e[m]("x") === e); }, "<b></b>"); return seen; },
  several_handlers: () => new HTMLRewriter().on("b", { element(e) { e.before("1"); e.setAttribute("n", "1"); } }).on("p b", { element(e) { e.before("2" + e.getAttribute("n")); } }).on("*", { element(e) { if (e.tagName === "b") e.before("3"); } }).transform(response(PAGE)).text(),
  inserted_is_not_visited: () => element("b", (e) => { e.after("<b>new</b>", { html: true }); }, "<b>x</b>"),
  removed_content_is_visited: async () => { const seen = []; const t = await new HTMLRewriter().on("div", { element(e) { e.remove(); } }).on("b", { element(e) { seen.push("b" + e.removed); }, text(c) { seen.push(c.text); } }).transform(response("<div><b>x</b></div>y")).text(); return [t, seen]; },

  // --- end tags ---
  end_tag: async () => { const seen = []; const t = await element("p, b", (e) => { seen.push(e.onEndTag((tag) => { seen.push([tag.constructor.name, tag.name, enumerable(tag)]); tag.before("1").before("<2>", { html: true }).after("3").after("<4>", { html: true }); }) ?? null); }, "<p>a<b>c</b></p>"); return [t, seen]; },
  end_tag_name: () => element("p", (e) => { e.onEndTag((tag) => { tag.name = "Q"; }); }, "<p>a</p>"),
  end_tag_name_odd: async () => { let seen; const t = await element("p", (e) => { e.onEndTag((tag) => { seen = ["", "a b", "1"].map((n) => attempt(() => { tag.name = n; return tag.name; })); }); }, "<p>a</p>"); return [t, seen]; },
  end_tag_remove: async () => { let seen; const t = await element("p", (e) => { e.onEndTag((tag) => { seen = tag.remove() === tag; }); }, "<p>a</p>"); return [t, seen]; },
  end_tag_twice: async () => { const seen = []; await element("p", (e) => { e.onEndTag(() => { seen.push(1); }); e.onEndTag(() => { seen.push(2); }); }, "<p>a</p>"); return seen; },
  end_tag_two_handlers: async () => { const seen = []; await new HTMLRewriter().on("p", { element(e) { e.onEndTag(() => { seen.push(1); }); } }).on("p", { element(e) { e.onEndTag(() => { seen.push(2); }); } }).transform(response("<p></p>")).text(); return seen; },
  end_tag_void: async () => { let seen; await element("br", (e) => { seen = attempt(() => e.onEndTag(() => {})); }, "<br>"); return seen; },
  end_tag_missing: async () => { let n = 0; const t = await element("p, li", (e) => { e.onEndTag(() => { n++; }); }, "<ul><li>1<li>2</ul><p>x"); return [t, n]; },
  end_tag_of_removed: async () => { let n = 0; const t = await element("p", (e) => { e.remove(); e.onEndTag((tag) => { n++; tag.after("!"); }); }, "<p>x</p>y"); return [t, n]; },
  end_tag_async: () => element("p", (e) => { e.onEndTag(async (tag) => { await later(() => {}); tag.before("!"); }); }, "<p>x</p>y"),
  end_tag_throws: () => element("p", (e) => { e.onEndTag(() => { throw new RangeError("end"); }); }, "<p>x</p>y"),
  end_tag_kinds: async () => { let seen; await element("p", (e) => { seen = [undefined, null, 1, {}].map((f) => attempt(() => e.onEndTag(f))); seen.push(attempt(() => e.onEndTag())); }, "<p>x</p>"); return seen; },
  end_tag_is_dead_later: async () => { let tag; await element("p", (e) => { e.onEndTag((t) => { tag = t; }); }, "<p>x</p>"); return attempt(() => tag.name); },
  end_tag_with_tag_name: () => element("p", (e) => { e.tagName = "q"; e.append("1"); e.onEndTag((tag) => { tag.before(tag.name); }); }, "<p>x</p>"),

  // --- comments ---
  comment: async () => { const seen = []; const t = await comments("body", (c) => { seen.push(c.constructor.name, c.text, c.removed, enumerable(c)); c.text = " new "; seen.push(c.text); }, PAGE); return [t, seen]; },
  comment_bad_text: async () => { let seen; const t = await comments("p", (c) => { seen = ["-->", "a--!>b", ">", "->", "", "é"].map((n) => attempt(() => { c.text = n; return c.text; })); }, "<p><!--x--></p>"); return [t, seen]; },
  comment_mutations: () => comments("p", (c) => { c.before("<1>").before("<2>", { html: true }).after("<3>").after("<4>", { html: true }); }, "<p><!--x--></p>"),
  comment_replace: () => comments("p", (c) => { c.replace("<1>").replace("<2>", { html: true }); }, "<p><!--x--></p>"),
  comment_remove: async () => { const seen = []; const t = await comments("p", (c) => { seen.push(c.remove() === c, c.removed); }, "<p>a<!--x-->b</p>"); return [t, seen]; },
  comment_stream: async () => { let seen; await comments("p", (c) => { seen = [attempt(() => c.before(pieces("x"))), attempt(() => c.replace(new Response("x")))]; }, "<p><!--x--></p>"); return seen; },
  comment_only_inside: async () => { const seen = []; await comments("p", (c) => { seen.push(c.text); }, "<!--0--><p><!--1--><b><!--2--></b></p><!--3-->"); return seen; },
  comment_odd: async () => { const seen = []; await onDocument({ comments(c) { seen.push(c.text); } }, "<!--a--><!-><!b><?php x ?><![CDATA[y]]><!--c"); return seen; },

  // --- text ---
  text: async () => { const seen = []; const t = await text("p", (c) => { seen.push([c.constructor.name, c.text, c.lastInTextNode, c.removed]); }, "<p>one<b>two</b>three</p>four"); return [t, seen]; },
  text_members: async () => { let seen; await text("p", (c) => { seen ??= enumerable(c); }, "<p>x</p>"); return seen; },
  text_mutations: () => text("p", (c) => { if (!c.lastInTextNode) c.before("<1>").before("<2>", { html: true }).after("<3>").after("<4>", { html: true }); }, "<p>x</p>"),
  text_replace: () => text("p", (c) => { if (!c.lastInTextNode) c.replace("<1>").replace("<" + c.text + ">", { html: true }); }, "<p>x</p>"),
  text_remove: async () => { const seen = []; const t = await text("p", (c) => { seen.push(c.remove() === c, c.removed); }, "<p>x<b>y</b></p>z"); return [t, seen]; },
  text_entities: async () => { const seen = []; await text("p", (c) => { seen.push(c.text); }, "<p>a&amp;b&lt;</p>"); return seen; },
  text_set: async () => { "use strict"; let seen; await text("p", (c) => { seen ??= attempt(() => { c.text = "y"; return c.text; }); }, "<p>x</p>"); return seen; },
  text_raw: async () => { const seen = []; await new HTMLRewriter().on("script, style, textarea, title", { text(c) { seen.push(c.text); } }).transform(response("<title>a&b</title><script>if (a<b) x</script><style>p>a{}</style><textarea><b></textarea>")).text(); return seen.filter((t) => t !== ""); },
  text_stream: () => text("p", (c) => { if (!c.lastInTextNode) c.replace(pieces("<i>", "</i>"), { html: true }).before(pieces("<")).after(new Response(">")); }, "<p>x</p>"),

  // --- the document ---
  doctype: async () => { const seen = []; await onDocument({ doctype(d) { seen.push([d.constructor.name, d.name, d.publicId, d.systemId, enumerable(d)]); } }, '<!DOCTYPE HTML PUBLIC "-//W3C//DTD HTML 4.01//EN" "http://www.w3.org/TR/html4/strict.dtd"><p>'); return seen; },
  doctype_short: async () => { const seen = []; await onDocument({ doctype(d) { seen.push([d.name, d.publicId, d.systemId]); } }, "<!doctype html><!DOCTYPE><!DOCTYPE x SYSTEM ''>"); return seen; },
  doctype_json: async () => { let seen; await onDocument({ doctype(d) { seen = JSON.stringify(d); } }, "<!doctype html>"); return seen; },
  document_comments: () => onDocument({ comments(c) { c.text = c.text.toUpperCase(); } }, "<!--a--><p><!--b--></p><!--c-->"),
  document_text: async () => { const seen = []; await onDocument({ text(c) { if (c.text) seen.push(c.text); } }, "a<p>b<b>c</b></p>d"); return seen; },
  document_end: async () => { const seen = []; const t = await onDocument({ end(d) { seen.push(d.constructor.name, enumerable(d), d.append("<1>") === d); d.append("<2>", { html: true }); } }, "<p>x"); return [t, seen]; },
  document_end_empty: () => onDocument({ end(d) { d.append("!"); } }, ""),
  document_end_async: () => onDocument({ async end(d) { await later(() => {}); d.append("!"); } }, "x"),
  document_end_stream: async () => { let seen; await onDocument({ end(d) { seen = attempt(() => d.append(new Response("x"))); } }, "x"); return seen; },
  document_end_throws: () => onDocument({ end() { throw new Error("end"); } }, "x"),
  order: async () => { const seen = []; const log = (name) => (t) => { seen.push(name + (t.text ?? t.tagName ?? t.name ?? "")); }; await new HTMLRewriter().onDocument({ doctype: log("D"), comments: log("dc"), text: log("dt"), end: log("E") }).on("p", { element: log("e"), comments: log("c"), text: log("t") }).transform(response("<!doctype html><!--1-->a<p>b<!--2--></p>")).text(); return seen; },

  // --- asynchronous handlers ---
  async_element: () => element("b", async (e) => { e.before(await later(() => "1")); await later(() => {}); e.after("2"); }, PAGE),
  async_in_order: async () => { const seen = []; await element("p, b, a", async (e) => { seen.push("<" + e.tagName); await later(() => {}); seen.push(e.tagName + ">"); }, PAGE); return seen; },
  async_text: () => text("p", async (c) => { await later(() => {}); c.before("."); }, "<p>x</p>"),
  async_comment: () => comments("p", async (c) => { await later(() => {}); c.text = "y"; }, "<p><!--x--></p>"),
  async_doctype: async () => { const seen = []; await onDocument({ async doctype(d) { await later(() => {}); seen.push(d.name); } }, "<!doctype html>"); return seen; },
  async_rejects: () => element("b", async () => { await later(() => {}); throw new RangeError("late"); }, PAGE),
  returns_thenable: () => element("b", (e) => ({ then(resolve) { later(() => { e.before("1"); resolve(); }); } }), "<b></b>"),
  returns_value: () => element("b", (e) => { e.before("1"); return 5; }, "<b></b>"),
  returns_resolved: () => element("b", (e) => Promise.resolve(e.before("1")), "<b></b>"),
  two_at_once: async () => { const one = element("p", async (e) => { await later(() => {}); await later(() => {}); e.before("1"); }, "<p></p>"); const two = element("p", async (e) => { await later(() => {}); e.before("2"); }, "<p></p>"); return Promise.all([one, two]); },
  nested: () => element("p", async (e) => { e.before(await element("b", (b) => { b.before("inner"); }, "<b></b>")); }, "<p></p>"),
  nested_sync: () => element("p", (e) => { e.append(new HTMLRewriter().on("b", { element(b) { b.before("inner"); } }).transform(response("<b></b>")), { html: true }); }, "<p></p>"),

  // --- what is inserted comes from a stream ---
  stream_before: () => element("b", (e) => { e.before(pieces("<1>", "2"), { html: true }); }, "<b></b>"),
  stream_text: () => element("b", (e) => { e.append(pieces("<", "&", ">")); }, "<b></b>"),
  stream_everywhere: () => element("b", (e) => { e.before(pieces("1")).after(pieces("2")).prepend(pieces("3")).append(pieces("4")); }, "<b>x</b>"),
  stream_replace: () => element("b", (e) => { e.replace(pieces("<i>", "</i>"), { html: true }); }, "a<b>x</b>c"),
  stream_inner: () => element("b", (e) => { e.setInnerContent(pieces("<i>", "</i>"), { html: true }); }, "a<b>x</b>c"),
  stream_end_tag: () => element("b", (e) => { e.onEndTag((tag) => { tag.before(pieces("1")).after(pieces("2")); }); }, "<b>x</b>"),
  stream_response: () => element("b", (e) => { e.append(new Response("<i>"), { html: true }).prepend(new Response(null)); }, "<b>x</b>"),
  stream_empty: () => element("b", (e) => { e.append(pieces()); }, "<b>x</b>"),
  stream_split_character: () => element("b", (e) => { e.append(pieces(new Uint8Array([0xc3]), new Uint8Array([0xa9]))); }, "<b></b>"),
  stream_bad_utf8: () => element("b", (e) => { e.append(pieces(new Uint8Array([0xe2, 0x28, 0xa1]))); }, "<b></b>"),
  stream_cut_utf8: () => element("b", (e) => { e.append(pieces(new Uint8Array([0xe2]))); }, "<b></b>c"),
  stream_fails: () => element("b", (e) => { e.append(pieces("x", new RangeError("broken"))); }, "<b></b>"),
  stream_locked: () => element("b", (e) => { const s = pieces("x"); s.getReader(); e.append(s); }, "<b></b>"),
  stream_used_response: async () => { const r = new Response("x"); await r.text(); return element("b", (e) => { e.append(r); }, "<b></b>"); },
  stream_of_removed: () => element("b", (e) => { e.append(pieces("x")); e.remove(); }, "a<b></b>c"),
  stream_of_void: () => element("br", (e) => { e.append(pieces("x")); e.after(pieces("y")); }, "a<br>c"),

  // --- tokens that are over ---
  dead_element: async () => { let e, i; await element("a", (t) => { e = t; i = t.attributes; }, PAGE); return [() => e.tagName, () => { e.tagName = "x"; }, () => e.attributes, () => e.removed, () => e.namespaceURI, () => e.getAttribute("x"), () => e.hasAttribute("x"), () => e.setAttribute("x", "y"), () => e.removeAttribute("x"), () => e.before("x"), () => e.remove(), () => e.onEndTag(() => {}), () => i.next()].map(attempt); },
  dead_others: async () => { const seen = {}; await new HTMLRewriter().onDocument({ doctype(t) { seen.d = t; }, comments(t) { seen.c = t; }, text(t) { seen.t = t; }, end(t) { seen.e = t; } }).transform(response(PAGE)).text(); return [() => seen.d.name, () => seen.c.text, () => { seen.c.text = "x"; }, () => seen.t.text, () => seen.t.lastInTextNode, () => seen.t.before("x"), () => seen.e.append("x")].map(attempt); },
  dead_in_next_handler: async () => { let first, seen; await element("p, b", (e) => { if (first) seen = attempt(() => first.tagName); else first = e; }, PAGE); return seen; },
  alive_while_async: async () => { let token; const done = element("p", async (e) => { token = e; await later(() => {}); await later(() => {}); }, "<p></p>"); while (!token) await later(() => {}); const during = attempt(() => token.tagName); await done; return [during, attempt(() => token.tagName)]; },
  dead_after_throw: async () => { let token; try { await element("p", (e) => { token = e; throw new Error("x"); }, "<p></p>"); } catch {} return attempt(() => token.tagName); },
  wrong_token: async () => { let seen; await element("p", (e) => { seen = attempt(() => Object.getPrototypeOf(e).remove.call({})); }, "<p>"); return seen; },

  // --- errors ---
  throws: () => element("b", () => { throw new RangeError("boom"); }, PAGE),
  throws_not_an_error: () => element("b", () => { throw "boom"; }, PAGE),
  throws_own_class: async () => { class Own extends Error { constructor() { super("mine"); this.name = "Own"; } } return element("b", () => { throw new Own(); }, PAGE); },
  throws_stops: async () => { let n = 0; const r = await outcome(() => element("a", () => { n++; throw new Error("boom"); }, "<a></a><a></a>")); return [r, n]; },
  throws_cancels_the_input: async () => { let reason = "none"; const s = new ReadableStream({ start(c) { c.enqueue(new TextEncoder().encode("<a>")); }, cancel(r) { reason = `${r?.name}: ${r?.message}`; } }); const r = await outcome(() => new HTMLRewriter().on("a", { element() { throw new Error("boom"); } }).transform(response(s)).text()); await later(() => {}); return [r, reason]; },
  throws_after_some_output: async () => { const b = new HTMLRewriter().on("a", { element() { throw new Error("boom"); } }).transform(response(pieces("first<b></b>", "<a>"))); const reader = b.body.getReader(); const first = await reader.read(); return [new TextDecoder().decode(first.value), await outcome(() => reader.read())]; },
  next_rewrite_is_fine: async () => [await outcome(() => element("a", () => { throw new Error("x"); }, "<a>")), await element("a", (e) => { e.remove(); }, "<a>b</a>c")],
  input_breaks_off: () => new HTMLRewriter().on("a", { element() {} }).transform(response(pieces("<a>x", new RangeError("gone")))).text(),
  input_of_strings: () => new HTMLRewriter().transform(response(new ReadableStream({ start(c) { c.enqueue("x"); c.close(); } }))).text(),
  output_cancelled: async () => { let reason = "none"; const s = new ReadableStream({ pull(c) { return later(() => c.enqueue(new TextEncoder().encode("<a>x</a>"))); }, cancel(r) { reason = String(r?.message ?? r); } }); const b = new HTMLRewriter().on("a", { element() {} }).transform(response(s)); const reader = b.body.getReader(); await reader.read(); await reader.cancel(new Error("enough")); await later(() => {}); await later(() => {}); return reason; },
  ambiguous: () => element("a", () => {}, "<select><plaintext><a>x</a></select>"),
  ambiguous_text: () => text("*", () => {}, "<select><xmp>x</xmp></select>"),
  ambiguous_script: () => element("script", () => {}, "<table><style>x</style></table><select><script>y</script></select>"),
  memory_limit: async () => (await outcome(() => element("a", () => {}, "<a " + "x=".repeat(2500000)))),
  memory_of_attributes: async () => (await outcome(() => element("a", () => {}, "<a title='" + "x".repeat(2000000) + "'>"))).length,
  deep: async () => { let n = 0; const t = await element("b", () => { n++; }, "<b>".repeat(5000)); return [n, t.length]; },
  many_selectors: () => { const r = new HTMLRewriter(); for (let i = 0; i < 500; i++) r.on(`.c${i}`, { element(e) { e.before(String(i)); } }); return r.transform(response("<p class='c3 c400'>")).text(); },

  // --- encodings ---
  latin1: async () => { const seen = []; const b = new HTMLRewriter().on("p", { element(e) { seen.push(e.getAttribute("t")); e.append("é€☃"); e.setAttribute("n", "ü☃"); }, text(c) { if (c.text) seen.push(c.text); } }).transform(new Response(bytes("<p t=\xe9>\xfc</p>"), { headers: { "content-type": "text/html; charset=iso-8859-1" } })); return [[...new Uint8Array(await b.arrayBuffer())].map((x) => String.fromCharCode(x)).join(""), seen]; },
  shift_jis: async () => { const seen = []; const b = new HTMLRewriter().on("p", { text(c) { if (c.text) seen.push(c.text); c.replace("日"); } }).transform(new Response(bytes("<p>\x93\xfa\x96\x7b</p>"), { headers: { "content-type": 'text/html;charset="Shift_JIS"' } })); return [[...new Uint8Array(await b.arrayBuffer())], seen]; },
  bad_charsets: () => ["nope", "utf-16le", "iso-2022-jp", "", "UTF-8", "utf8", "replacement"].map((charset) => attempt(() => new HTMLRewriter().transform(response("x", { headers: { "content-type": `text/html; charset=${charset}` } })).status)),
  bad_charset_leaves_the_body: () => { const a = response("x", { headers: { "content-type": "text/html; charset=nope" } }); return [attempt(() => new HTMLRewriter().transform(a)), a.bodyUsed]; },
  meta_charset: () => text("p", (c) => { if (!c.lastInTextNode) c.after("é"); }, '<meta charset="iso-8859-1"><p>x</p>'),
  invalid_utf8: async () => { const seen = []; const b = new HTMLRewriter().on("p", { text(c) { seen.push(c.text); } }).transform(new Response(bytes("<p>a\xffb</p>"), HTML)); return [[...new Uint8Array(await b.arrayBuffer())], seen]; },
  bom: async () => [...await new HTMLRewriter().on("p", { element(e) { e.before("!"); } }).transform(new Response(bytes("\xef\xbb\xbf<p>"), HTML)).bytes()],

  // --- streams that are not wanted any more ---
  ...Object.fromEntries(Object.entries({
    removed: (e, s) => { e.prepend(s); e.remove(); },
    content_replaced: (e, s) => { e.setInnerContent(s); e.setInnerContent("x"); },
    replaced: (e, s) => { e.replace(s); e.replace("x"); },
  }).map(([name, act]) => [`stream_dropped_${name}`, async () => {
    const { readable, writable } = new IdentityTransformStream();
    const writer = writable.getWriter();
    let written;
    const t = await element("a", (e) => { act(e, readable); written = writer.write(bytes("y")); }, "<p><a>1</a></p>");
    return [t, readable.locked, await Promise.race([written.then(() => "written", (e) => e.name), later(() => "waits")])];
  }])),
  stream_dropped_is_not_cancelled: async () => { const seen = []; const s = new ReadableStream({ pull(c) { seen.push("pull"); c.enqueue(bytes("y")); }, cancel() { seen.push("cancel"); } }); const t = await element("a", (e) => { e.append(s); e.remove(); }, "<p><a>1</a></p>"); await later(() => {}); return [t, seen, s.locked]; },

  // --- Edge Side Includes; a flag makes the tags void ---
  esi_replace: () => element("esi\\:include", (e) => { e.replace("<b>", { html: true }); }, '<p><esi:include src="a"/>x</p>'),
  esi_insert: () => element("esi\\:include", (e) => { e.before("B").prepend("P").append("A").after("F"); }, '<p><esi:include src="a">x</p>y'),
  esi_comment: () => element("esi\\:comment", (e) => { e.replace("R"); }, '<p><esi:comment text="a">x</p>'),
  esi_child: () => element("esi\\:include > i", (e) => { e.replace("R"); }, '<p><esi:include src="a"><i>x</i></p>'),
  esi_end_tag: () => element("esi\\:remove", (e) => { e.onEndTag((t) => { t.before(t.name); }); }, '<esi:remove>x</esi:remove>'),

  // --- chunks ---
  split_tag: () => new HTMLRewriter().on("a", { element(e) { e.setAttribute("href", e.getAttribute("href") + "!"); } }).transform(response(pieces("x<", "a hr", "ef=\"/", "u\">y</", "a>z"))).text(),
  split_comment: async () => { const seen = []; const t = await new HTMLRewriter().on("p", { comments(c) { seen.push(c.text); } }).transform(response(pieces("<p><!", "--a", "b-", "-", "></p>"))).text(); return [t, seen]; },
  split_text: async () => { const seen = []; const t = await new HTMLRewriter().on("p", { text(c) { seen.push([c.text, c.lastInTextNode]); } }).transform(response(pieces("<p>one", "two", "</p>"))).text(); return [t, seen]; },
  split_character: async () => { const seen = []; await new HTMLRewriter().on("p", { text(c) { seen.push(c.text); } }).transform(response(pieces("<p>a", new Uint8Array([0xc3]), new Uint8Array([0xa9]), "b</p>"))).text(); return seen.join(""); },
  every_byte: () => new HTMLRewriter().on("*", { element(e) { e.setAttribute("k", e.tagName); } }).transform(response(pieces(...PAGE))).text(),
  streams_out: async () => { let give; const s = new ReadableStream({ start(c) { give = (t) => c.enqueue(new TextEncoder().encode(t)); } }); const reader = new HTMLRewriter().on("a", { element(e) { e.before("!"); } }).transform(response(s)).body.getReader(); const seen = []; for (const t of ["<p>1</p>", "<a>2</a>", "3"]) { give(t); const { value } = await reader.read(); seen.push(new TextDecoder().decode(value)); } await reader.cancel(); return seen.length; },
  unfinished_tag: () => element("a", (e) => { e.before("!"); }, "x<a href="),
  large: async () => { const t = await element("a", (e) => { e.setAttribute("x", "1"); }, "<a>y</a>".repeat(100000)); return [t.length, t.slice(0, 20), t.slice(-20)]; },
  back_pressure: async () => { let n = 0; const s = new ReadableStream({ pull(c) { n++; c.enqueue(new TextEncoder().encode("<a>x</a>".repeat(1000))); if (n === 1000) c.close(); } }); const b = new HTMLRewriter().transform(response(s)); const reader = b.body.getReader(); await reader.read(); await later(() => {}); const after = n; await reader.cancel(); return after < 100; },
};

export const run = async () => {
  const results = {};
  for (const [name, f] of Object.entries(cases)) results[name] = await outcome(f);
  return results;
};
