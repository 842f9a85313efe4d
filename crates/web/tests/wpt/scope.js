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

  const location = new URL(native.href);
  globalThis.location = location;
})
