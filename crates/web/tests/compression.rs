//! `CompressionStream` and `DecompressionStream`: <https://compression.spec.whatwg.org/>.

mod support;

use std::rc::Rc;

use bytes::Bytes;
use isthmus_web::body::Pulled;
use isthmus_web::streams;
use serde_json::json;
use support::{ReadySource, TestSink, World};

/// `pass(stream, ...chunks)` gives the output as one array.
const PRELUDE: &str = "
  globalThis.pass = async (stream, ...chunks) => {
    const writer = stream.writable.getWriter();
    const writing = (async () => { for (const chunk of chunks) await writer.write(chunk); await writer.close(); })();
    writing.catch(() => {});
    const out = [];
    for await (const chunk of stream.readable) for (const byte of chunk) out.push(byte);
    await writing;
    return new Uint8Array(out);
  };
  globalThis.bytes = (text) => new TextEncoder().encode(text);
  globalThis.text = (bytes) => new TextDecoder().decode(bytes);";

fn world() -> World {
    let world = World::new();
    world.script::<()>(PRELUDE);
    world
}

#[test]
fn what_is_compressed_can_be_decompressed() {
    let world = world();
    for format in ["gzip", "deflate", "deflate-raw"] {
        for length in [0, 1, 65_535, 65_536, 65_537, 300_000] {
            let body = format!(
                "const data = new Uint8Array({length}).map((_, i) => (i * i) >> 5);
                 const packed = await pass(new CompressionStream('{format}'), data.subarray(0, 1000), data.subarray(1000));
                 const back = await pass(new DecompressionStream('{format}'), packed);
                 return [back.length, back.every((byte, i) => byte === data[i])]"
            );
            assert_eq!(world.eval(&body), json!([length, true]), "{format} {length}");
        }
    }
}

/// Much more than a turn of the event loop has time for.
const LARGE: usize = 64 << 20;

#[test]
fn a_large_chunk_leaves_the_event_loop_its_turns() {
    let world = world();
    world.start(&format!(
        "const packed = await pass(new CompressionStream('gzip'), new Uint8Array({LARGE})); \
         let length = 0; const back = new DecompressionStream('gzip'); \
         const writing = (async () => {{ const w = back.writable.getWriter(); await w.write(packed); await w.close(); }})(); \
         for await (const chunk of back.readable) length += chunk.length; \
         await writing; return length"
    ));
    world.run_jobs();
    assert!(world.host.offloaded() > 0, "the rest waits for a later turn");
    world.run();
    assert_eq!(world.result(), json!(LARGE));
}

#[test]
fn a_large_body_leaves_the_event_loop_its_turns() {
    let world = world();
    world.start(&format!(
        "const zip = new Response(new Uint8Array({LARGE})).body.pipeThrough(new CompressionStream('gzip')); \
         const packed = await new Response(zip).bytes(); \
         return (await new Response(new Response(packed).body.pipeThrough(new DecompressionStream('gzip'))).bytes()).length"
    ));
    world.run_jobs();
    assert!(world.host.offloaded() > 0, "the rest waits for a later turn");
    world.run();
    assert_eq!(world.result(), json!(LARGE));
}

#[test]
fn what_is_given_up_between_turns_is_over() {
    let world = world();
    world.start(&format!(
        "const s = new CompressionStream('gzip'), w = s.writable.getWriter(); \
         const writing = w.write(new Uint8Array({LARGE})).catch((e) => e); \
         const reader = s.readable.getReader(); await reader.read(); await reader.cancel('enough'); return await writing"
    ));
    world.run();
    assert_eq!(world.result(), json!("enough"));
}

/// Bytes of other programs (`gzip -9`, and Python's zlib).
#[test]
fn formats_are_those_of_others() {
    let world = world();
    for (format, packed) in [
        (
            "gzip",
            "[31,139,8,0,0,0,0,0,2,3,203,72,205,201,201,87,200,64,144,0,128,136,249,229,17,0,0,0]",
        ),
        // With a name, a comment and a header checksum.
        (
            "gzip",
            "[31,139,8,26,0,0,0,0,0,3,110,0,99,0,220,67,203,72,205,201,201,87,200,64,144,0,128,136,249,229,17,0,0,0]",
        ),
        (
            "deflate",
            "[120,218,203,72,205,201,201,87,200,64,144,0,58,46,6,125]",
        ),
        // Stored, not compressed.
        (
            "deflate-raw",
            "[1,17,0,238,255,104,101,108,108,111,32,104,101,108,108,111,32,104,101,108,108,111]",
        ),
    ] {
        let body =
            format!("return text(await pass(new DecompressionStream('{format}'), new Uint8Array({packed})))");
        assert_eq!(world.eval(&body), "hello hello hello", "{format} {packed}");
    }
}

#[test]
fn bad_input_fails_both_sides() {
    let world = world();
    world.script::<()>(
        "globalThis.fails = async (format, ...chunks) => {
           const { readable, writable } = new DecompressionStream(format);
           const writer = writable.getWriter(), reader = readable.getReader();
           const name = (p) => p.then(() => 'ok', (e) => e.name);
           const read = name((async () => { while (!(await reader.read()).done); })());
           const written = [];
           for (const chunk of chunks) written.push(await name(writer.write(chunk)));
           return [...written, await name(writer.close()), await read].join(' ');
         };",
    );
    for (body, expected) in [
        ("", "TypeError TypeError"),
        ("new Uint8Array([1, 2, 3])", "TypeError TypeError TypeError"),
        ("packed.slice(0, -1)", "ok TypeError TypeError"),
        ("packed, new Uint8Array([0])", "ok TypeError TypeError TypeError"),
        ("packed, new Uint8Array()", "ok ok ok ok"),
        (
            "new Uint8Array([...packed, ...packed])",
            "TypeError TypeError TypeError",
        ),
        (
            "new Uint8Array([...packed.slice(0, -5), 1, ...packed.slice(-4)])",
            "TypeError TypeError TypeError",
        ),
        ("'text'", "TypeError TypeError TypeError"),
        ("null", "TypeError TypeError TypeError"),
        ("new SharedArrayBuffer(4)", "TypeError TypeError TypeError"),
        (
            "new Uint8Array(new SharedArrayBuffer(4))",
            "TypeError TypeError TypeError",
        ),
    ] {
        let body = format!(
            "const packed = await pass(new CompressionStream('gzip'), bytes('hello')); return await fails('gzip', {body})"
        );
        assert_eq!(world.eval(&body), expected, "{body}");
    }
}

/// What expands a thousandfold is made piece by piece, as it is read.
#[test]
fn a_bomb_is_not_held_in_memory() {
    let world = world();
    let packed = "const packed = await pass(new CompressionStream('gzip'), new Uint8Array(1 << 25));";
    let body = format!(
        "{packed} const {{ readable, writable }} = new DecompressionStream('gzip');
         const writer = writable.getWriter(); let written = false; writer.write(packed).then(() => written = true);
         const reader = readable.getReader(); const {{ value }} = await reader.read();
         await new Promise((resolve) => setTimeout(resolve, 5));
         const before = written; await reader.cancel();
         return [packed.length < 40000, value.length <= 65536, before]"
    );
    assert_eq!(world.eval(&body), json!([true, true, false]));
}

/// From a Rust body to a Rust sink through both: JavaScript sees no chunk.
#[test]
fn bodies_are_compressed_on_their_way() {
    let world = world();
    let pieces: Vec<Bytes> = (0..50u8).map(|index| vec![index; 10_000].into()).collect();
    let source = ReadySource::new(pieces.iter().cloned().map(Pulled::Chunk));
    world.define("body", |ctx| streams::readable(ctx, source, None));
    world.script::<()>(
        "ReadableStreamDefaultReader.prototype.read = () => { throw new Error('read') };
         globalThis.out = body.pipeThrough(new CompressionStream('gzip')).pipeThrough(new DecompressionStream('gzip'));",
    );
    let sink = Rc::new(TestSink::default());
    let target = Rc::clone(&sink);
    world.global("out", |ctx, out| {
        let stream = out.into_object().unwrap();
        let (source, length) = streams::take_source(ctx, &stream).expect("it is a Rust body again");
        assert_eq!(length, None);
        isthmus_web::body::pump(ctx, source, target);
    });
    world.run();
    assert_eq!(*sink.outcome.borrow(), Some(Ok(())));
    assert_eq!(*sink.bytes.borrow(), pieces.concat());
}

#[test]
fn the_interfaces() {
    let world = world();
    for (body, expected) in [
        (
            "return [CompressionStream.length, DecompressionStream.name, String(new DecompressionStream('gzip'))]",
            json!([1, "DecompressionStream", "[object DecompressionStream]"]),
        ),
        (
            "const c = new CompressionStream('gzip'); return [c.readable === c.readable, c.readable instanceof ReadableStream, c.writable instanceof WritableStream]",
            json!([true, true, true]),
        ),
        (
            "new CompressionStream()",
            json!(
                "throws TypeError: Failed to construct 'CompressionStream': constructor parameter 1 is not of type 'string'."
            ),
        ),
        (
            "new DecompressionStream('br')",
            json!(
                "throws TypeError: The compression format must be either 'deflate', 'deflate-raw' or 'gzip'."
            ),
        ),
        (
            "new CompressionStream({ toString() { throw new RangeError('own'); } })",
            json!("throws RangeError: own"),
        ),
        (
            "Object.getOwnPropertyDescriptor(CompressionStream.prototype, 'readable').get.call({})",
            json!("throws TypeError: private class field '#channel' does not exist"),
        ),
        // What is left of a stream that is given up holds nothing.
        (
            "const c = new CompressionStream('gzip'); const w = c.writable.getWriter(); await c.readable.cancel('x'); return await w.write(new Uint8Array(1)).then(() => 'ok', (e) => e)",
            json!("x"),
        ),
    ] {
        assert_eq!(world.eval(body), expected, "{body}");
    }
}
