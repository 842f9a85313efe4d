//! `HTMLRewriter` where user code is hostile or gives up; what it does otherwise is recorded beside workerd.

mod support;

use serde_json::json;
use support::World;

const PRELUDE: &str = r#"
    const page = (text) => new Response(text, { headers: { "content-type": "text/html" } });
    const rewrite = (element, text, selector = "a") =>
      new HTMLRewriter().on(selector, { element }).transform(page(text));
    const outcome = async (f) => { try { return await f(); } catch (e) { return `${e?.name}: ${e?.message}`; } };
    const later = () => new Promise((resolve) => setTimeout(resolve, 1));
"#;

fn evaluate(source: &str) -> serde_json::Value {
    let module = format!("{PRELUDE} export const run = async () => {{ {source} }};");
    World::new().run_module("case.mjs", &module, "run")
}

#[test]
fn a_handler_may_cancel_its_own_stream() {
    let got = evaluate(
        r#"
        let reader, seen = 0, later_use;
        const body = rewrite((e) => { seen++; reader.cancel(new Error("mine")); try { e.tagName; } catch (error) { later_use = error.message.slice(0, 24); } }, "x<a></a><a></a>").body;
        reader = body.getReader();
        const result = await reader.read();
        return [result.done, seen, later_use];
        "#,
    );
    assert_eq!(got, json!([true, 1, "This content token is no"]));
}

#[test]
fn a_handler_may_read_its_own_stream() {
    let got = evaluate(
        r#"
        const reads = [];
        let reader;
        const body = rewrite((e) => { reads.push(reader.read()); e.before("!"); }, "x<a></a><a></a>").body;
        reader = body.getReader();
        const first = await reader.read();
        const rest = await Promise.all(reads);
        return [new TextDecoder().decode(first.value), rest.map((r) => r.done)];
        "#,
    );
    assert_eq!(got, json!(["x!<a></a>!<a></a>", [true, true]]));
}

#[test]
fn a_handler_may_wait_for_ever() {
    let got = evaluate(
        r#"
        const body = rewrite((e) => new Promise(() => {}), "x<a></a>").body;
        const reader = body.getReader();
        const first = await reader.read();
        const second = reader.read();
        await later();
        await reader.cancel();
        return [new TextDecoder().decode(first.value), (await second).done];
        "#,
    );
    assert_eq!(got, json!(["x", true]));
}

#[test]
fn settling_late_does_nothing() {
    let got = evaluate(
        r#"
        const gate = Promise.withResolvers(), other = Promise.withResolvers();
        let token;
        const reader = rewrite((e) => { token = e; return gate.promise; }, "x<a></a>").body.getReader();
        await reader.read();
        await reader.cancel();
        gate.resolve();
        const failing = rewrite(() => other.promise, "x<a></a>").body.getReader();
        await failing.read();
        await failing.cancel();
        other.reject(new Error("late"));
        await later();
        return outcome(() => token.remove());
        "#,
    );
    assert!(got.as_str().unwrap().starts_with("TypeError: This content token"));
}

#[test]
fn rewrites_inside_of_handlers() {
    let got = evaluate(
        r#"
        const nested = (depth) => rewrite((e) => { if (depth > 0) e.append(nested(depth - 1), { html: true }); }, `<a>${depth}</a>`);
        return (await nested(20).text()).length;
        "#,
    );
    assert_eq!(got, json!("<a></a>".len() * 21 + 10 + 11 * 2));
}

#[test]
fn patched_intrinsics_change_nothing() {
    let got = evaluate(
        r#"
        const fail = () => { throw new Error("patched"); };
        const response = Response.prototype, map = Map.prototype;
        const { then } = Promise.prototype, { text } = response;
        Object.defineProperty(response, "body", { get: fail });
        Object.defineProperty(response, "headers", { get: fail });
        map.get = map.set = map.delete = fail;
        Array.prototype.push = Array.prototype[Symbol.iterator] = fail;
        Object.defineProperty(Object.prototype, "element", { get: () => undefined, set: fail, configurable: true });
        Object.defineProperty(Object.prototype, "chunk", { set: fail, configurable: true });
        return text.call(new HTMLRewriter().on("a", { __proto__: null, element(e) {
          e.setAttribute("x", "y").onEndTag((tag) => { tag.before("!"); });
          e.append(new Response("z"));
        } }).transform(page("<a></a>")));
        "#,
    );
    assert_eq!(got, json!(r#"<a x="y">z!</a>"#));
}

#[test]
fn selectors_of_any_size_are_parsed_or_refused() {
    let got = evaluate(
        r#"
        const tries = [":not(".repeat(100000), ":not(".repeat(50000) + "a" + ")".repeat(50000), "a ".repeat(100000), "a,".repeat(100000) + "a", "[".repeat(100000), "(".repeat(100000), "a" + ".b".repeat(100000), "\\".repeat(100000), "/*".repeat(1000), "a\0b", "\u{10ffff}"];
        return tries.map((selector) => { try { new HTMLRewriter().on(selector, {}); return "fine"; } catch (e) { return e.name; } });
        "#,
    );
    for outcome in got.as_array().unwrap() {
        assert!(
            ["fine", "TypeError"].contains(&outcome.as_str().unwrap()),
            "{got}"
        );
    }
}

#[test]
fn long_selectors_are_used() {
    let got = evaluate(
        r#"
        const tries = ["a ".repeat(128) + "a", "a>".repeat(128) + "a", "a,".repeat(20000) + "a", "a" + ".b".repeat(20000), "a[b]:not(.c), ".repeat(3000) + "a"];
        const found = [];
        for (const selector of tries) {
          let n = 0;
          const length = await outcome(async () => (await rewrite((e) => { n++; }, "<a>".repeat(130), selector).text()).length);
          found.push([n, length]);
        }
        return found;
        "#,
    );
    assert_eq!(got, json!([[2, 390], [2, 390], [130, 390], [0, 390], [130, 390]]));
}

#[test]
fn odd_documents() {
    let got = evaluate(
        r#"
        const texts = ["<", "</", "<!", "<!-", "<a", "<a b='", "<![CDATA[", "\0<a\0b=\0>\0", "<a>".repeat(3000), "</a>".repeat(20000), "<svg>".repeat(3000), "<a " + "b ".repeat(5000) + ">", "<!--" + "-".repeat(50000), "<title>" + "<a>".repeat(1000), "&".repeat(1000)];
        const same = [];
        for (const text of texts) same.push(await new HTMLRewriter().on("*", { element() {}, comments() {}, text() {} }).onDocument({ doctype() {}, comments() {}, text() {}, end() {} }).transform(page(text)).text() === text);
        return same;
        "#,
    );
    assert_eq!(got, json!(vec![true; 15]));
}

#[test]
fn chunks_that_are_no_bytes() {
    let got = evaluate(
        r#"
        const of = (chunk) => new ReadableStream({ start(c) { c.enqueue(chunk); c.close(); } });
        const outcomes = [];
        for (const chunk of [1, {}, null, "é", new Uint16Array([0x6161]), new Uint8Array(0)]) {
          outcomes.push(await outcome(() => new HTMLRewriter().transform(page(of(chunk))).text()));
          outcomes.push(await outcome(() => rewrite((e) => { e.append(of(chunk)); }, "<a></a>").text()));
        }
        return outcomes;
        "#,
    );
    let no_bytes = "TypeError: This ReadableStream did not return bytes.";
    assert_eq!(
        got,
        json!([
            no_bytes,
            no_bytes,
            no_bytes,
            no_bytes,
            no_bytes,
            no_bytes,
            "é",
            "<a>é</a>",
            "aa",
            "<a>aa</a>",
            "",
            "<a></a>"
        ])
    );
}

#[test]
fn content_that_is_not_wanted_any_more_is_cancelled() {
    let got = evaluate(
        r#"
        let reason;
        const content = new ReadableStream({ pull(c) { return later().then(() => c.enqueue(new Uint8Array([120]))); }, cancel(r) { reason = String(r); } });
        const reader = rewrite((e) => { e.append(content); }, "<a></a>").body.getReader();
        await reader.read();
        await reader.read();
        await reader.cancel("enough");
        return reason;
        "#,
    );
    assert_eq!(got, json!("enough"));
}

#[test]
fn many_at_once() {
    let got = evaluate(
        r#"
        const all = await Promise.all(Array.from({ length: 300 }, (_, i) => rewrite(async (e) => { await later(); e.append(String(i)); }, "<a></a>").text()));
        return all.every((text, i) => text === `<a>${i}</a>`);
        "#,
    );
    assert_eq!(got, json!(true));
}

#[test]
fn an_engine_that_ends_in_the_middle() {
    // Dropping the world tears the engine down; nothing may be left of the fibers then.
    let got = evaluate(
        r#"
        globalThis.kept = [];
        const gate = new Promise(() => {});
        for (let i = 0; i < 20; i++) {
          const response = rewrite((e) => { kept.push(e); return i % 2 ? gate : undefined; }, "x<a></a>");
          kept.push(response);
          if (i % 3) { const reader = response.body.getReader(); kept.push(reader); await reader.read(); }
        }
        await later();
        return kept.length;
        "#,
    );
    assert!(got.as_u64().unwrap() >= 40);
}

#[test]
fn nothing_is_left() {
    let world = World::new();
    let rewrite = |times: u32| {
        world.eval(&format!(
            r#"
            {PRELUDE}
            for (let i = 0; i < {times}; i++) {{
              const rewriter = new HTMLRewriter();
              let response;
              // A cycle through the handlers.
              const handlers = {{ element(e) {{ handlers.last = [e, response]; e.onEndTag((t) => {{ handlers.end = t; }}); e.append(new Response("x")); if (i % 4 === 1) throw new Error("no"); }} }};
              response = rewriter.on("*", handlers).transform(page("<ul><li>1<li>2</ul><p>"));
              if (i % 4 === 2) continue;
              if (i % 4 === 3) {{ const reader = response.body.getReader(); await reader.read(); await reader.cancel(); continue; }}
              await outcome(() => response.text());
            }}
            return null;
            "#
        ));
        world.collect_garbage();
        world.objects()
    };
    let before = rewrite(100);
    let after = rewrite(10_000);
    assert!(after - before < 100, "{} objects more", after - before);
}
