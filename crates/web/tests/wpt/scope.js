// What a file of tests finds around it, and how the runner learns what became of the tests.
(function (native) {
  "use strict";

  const STATUS = ["passed", "failed", "timed out", "did not run", "precondition failed"];
  const { String } = globalThis;
  const wellFormed = (value) => String(value ?? "").toWellFormed();

  const reported = new Set();
  const report = (test) => {
    if (reported.has(test)) return;
    reported.add(test);
    const { status } = test;
    native.result(
      wellFormed(test.name),
      status === 0 ? null : wellFormed(test.message) || STATUS[status] || `status ${status}`,
    );
  };

  add_result_callback(report);
  add_completion_callback((tests, harness) => {
    for (let i = 0; i < tests.length; i++) report(tests[i]);
    native.complete(harness.status === 0 ? null : wellFormed(harness.message) || STATUS[harness.status] || "failed");
  });

  // What the scope is, as tests of interfaces ask: the harness itself must not see it, or it would talk to a page.
  const { ServiceWorkerGlobalScope, WorkerGlobalScope } = globalThis.hidden;
  delete globalThis.hidden;
  class DedicatedWorkerGlobalScope extends WorkerGlobalScope {
    static [Symbol.hasInstance](value) {
      return value === globalThis;
    }
  }
  const define = (name, value) => {
    Object.defineProperty(globalThis, name, { value, writable: true, enumerable: false, configurable: true });
  };
  define("WorkerGlobalScope", WorkerGlobalScope);
  define("ServiceWorkerGlobalScope", ServiceWorkerGlobalScope);
  define("DedicatedWorkerGlobalScope", DedicatedWorkerGlobalScope);

  const url = new URL(native.href);
  const location = { toString: () => url.href };
  for (const part of ["href", "origin", "protocol", "host", "hostname", "port", "pathname", "search", "hash"]) {
    location[part] = url[part];
  }
  define("location", location);

  // Tests take shared memory from there, since not every browser has SharedArrayBuffer by that name.
  globalThis.WebAssembly ??= {
    Memory: class {
      constructor({ initial, shared }) {
        this.buffer = shared ? new SharedArrayBuffer(initial * 65536) : new ArrayBuffer(initial * 65536);
      }
    },
  };

  // Newer checkouts' tests take it from their server's wrapper around a test.
  globalThis.fetch_json ??= async (input) => (await fetch(input)).json();
})
