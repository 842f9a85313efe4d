//! What leaves the engine's thread, and that it makes no difference but for the loop.

mod support;

use serde_json::json;
use support::World;

#[test]
fn long_operations_leave_the_engines_thread_and_short_ones_do_not() {
    for (work, offloaded) in [
        ("crypto.subtle.digest('SHA-256', new Uint8Array(1000))", 0),
        ("crypto.subtle.digest('SHA-512', new Uint8Array(2e7))", 1),
        ("crypto.subtle.digest('MD5', new Uint8Array(2e7))", 1),
        (
            "crypto.subtle.generateKey({name: 'RSA-PSS', hash: 'SHA-1', modulusLength: 1024, publicExponent: new Uint8Array([3])}, true, ['sign'])",
            1,
        ),
        (
            "crypto.subtle.generateKey({name: 'ECDSA', namedCurve: 'P-256'}, true, ['sign'])",
            0,
        ),
    ] {
        let world = World::new();
        world.start(&format!(
            "let early = true; const p = {work}.then(() => early); early = false; return !await p"
        ));
        assert_eq!(world.host.offloaded(), offloaded, "{work}");
        world.run();
        assert_eq!(world.result(), true, "{work}");
        assert_eq!(world.host.offloaded(), 0, "{work}");
    }
}

#[test]
fn derivations_leave_by_their_cost() {
    let world = World::new();
    assert_eq!(
        world.eval("globalThis.key = await crypto.subtle.importKey('raw', new Uint8Array(3), 'PBKDF2', false, ['deriveBits']); return 1"),
        1
    );
    for (iterations, offloaded) in [(10, 0), (1_000_000, 1)] {
        world.start(&format!(
            "const b = await crypto.subtle.deriveBits({{name: 'PBKDF2', hash: 'SHA-256', salt: new Uint8Array(4), iterations: {iterations}}}, key, 256);
             return b.byteLength"
        ));
        world.run_jobs();
        assert_eq!(world.host.offloaded(), offloaded);
        world.run();
        assert_eq!(world.result(), 32);
    }
}

#[test]
fn bytes_are_those_of_the_call() {
    assert_eq!(
        World::new().eval(
            "const hex = (b) => [...new Uint8Array(b)].map((x) => x.toString(16).padStart(2, '0')).join('');
             const s = crypto.subtle, data = new Uint8Array(2e7);
             const key = await s.importKey('raw', new Uint8Array(16), 'AES-CTR', false, ['encrypt']);
             const algorithm = {name: 'AES-CTR', counter: new Uint8Array(16), length: 64};
             const both = async () => {
               const started = [s.digest('SHA-512', data), s.encrypt(algorithm, key, data)];
               data.fill(1); algorithm.counter.fill(9);
               const [digest, sealed] = await Promise.all(started);
               data.fill(0); algorithm.counter.fill(0);
               return hex(digest) + hex(await s.digest('SHA-1', sealed));
             };
             const first = await both();
             const moved = s.digest('SHA-512', data); const away = data.buffer.transfer();
             return [first === await (data.length, (async () => { return first })()), hex(await moved) === first.slice(0, 128),
               away.byteLength, hex(await s.digest('SHA-1', data))]"
        ),
        json!([true, true, 20_000_000, "da39a3ee5e6b4b0d3255bfef95601890afd80709"])
    );
}

#[test]
fn views_are_read_at_their_offsets_and_detached_ones_are_empty() {
    assert_eq!(
        World::new().eval(
            "const hex = (b) => [...new Uint8Array(b)].map((x) => x.toString(16).padStart(2, '0')).join('');
             const whole = new TextEncoder().encode('xxabcyyy');
             const views = [new DataView(whole.buffer, 2, 3), whole.subarray(2, 5), new Uint8Array(whole.buffer.slice(2, 5)).buffer];
             const gone = new Uint8Array(4); gone.buffer.transfer();
             const out = [];
             for (const view of [...views, gone]) out.push(hex(await crypto.subtle.digest('MD5', view)));
             return out"
        ),
        json!([
            "900150983cd24fb0d6963f7d28e17f72",
            "900150983cd24fb0d6963f7d28e17f72",
            "900150983cd24fb0d6963f7d28e17f72",
            "d41d8cd98f00b204e9800998ecf8427e"
        ])
    );
}

#[test]
fn failures_come_back_from_other_threads() {
    assert_eq!(
        World::new().eval(
            "const s = crypto.subtle;
             const key = await s.importKey('raw', new Uint8Array(16), 'AES-GCM', false, ['encrypt', 'decrypt']);
             const algorithm = {name: 'AES-GCM', iv: new Uint8Array(12)};
             const sealed = new Uint8Array(await s.encrypt(algorithm, key, new Uint8Array(2e7)));
             sealed[1e6] ^= 4;
             return await s.decrypt(algorithm, key, sealed).catch((e) => [e instanceof DOMException, e.name])"
        ),
        json!([true, "OperationError"])
    );
}

#[test]
fn an_engine_may_end_before_its_jobs() {
    let world = World::new();
    world.start("return await crypto.subtle.digest('SHA-512', new Uint8Array(2e7))");
    assert_eq!(world.host.offloaded(), 1);
    // Dropping the runtime aborts the process if anything leaked.
    drop(world);
}

#[test]
fn operations_leave_no_objects_behind() {
    let world = World::new();
    let round = "const s = crypto.subtle;
        for (let i = 0; i < 20; i++) {
          const pair = await s.generateKey({name: 'Ed25519'}, true, ['sign', 'verify']);
          await s.verify('Ed25519', pair.publicKey, await s.sign('Ed25519', pair.privateKey, new Uint8Array(9)), new Uint8Array(9));
          await s.importKey('raw', new Uint8Array(1), 'AES-GCM', true, ['encrypt']).catch(() => {});
          const stream = new crypto.DigestStream('MD5'), writer = stream.getWriter();
          await writer.write('abc'); await writer.close(); await stream.digest;
        }
        await s.digest('SHA-512', new Uint8Array(2e6)); return 1";
    assert_eq!(world.eval(round), 1);
    let before = world.objects();
    for _ in 0..3 {
        assert_eq!(world.eval(round), 1);
    }
    assert_eq!(world.objects(), before);
}
