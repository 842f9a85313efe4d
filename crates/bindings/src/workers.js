// `cloudflare:workers`, the context of an event, and what the SDK's entrypoint helper needs. Runs once per engine;
// `native` holds Rust functions, `env` is the object of the bindings.
(function (native, env) {
  "use strict";
  const { Object, Promise, Symbol, Reflect } = globalThis;
  const promiseResolve = Promise.resolve.bind(Promise);

  class ExecutionContext {
    #event;
    #props;
    constructor(token, event, props) {
      if (token !== native) throw new TypeError("Illegal constructor");
      this.#event = event;
      this.#props = props;
    }
    waitUntil(promise) { extend(this.#event, promise); }
    passThroughOnException() {}
    get props() { return (this.#props ??= {}); }
    get [Symbol.toStringTag]() { return "ExecutionContext"; }
  }

  // Keeps the event alive until the promise is settled. A PyProxy is a temporary of the call that passes it, hence the
  // copy; it is destroyed when it is settled.
  function extend(event, promise) {
    const kept = typeof promise?.copy === "function" && typeof promise?.destroy === "function"
      ? promise.copy() : promise;
    native.begin(event);
    promiseResolve(kept).then(
      () => false,
      (error) => {
        native.report(error);
        return true;
      },
    ).then((rejected) => {
      if (kept !== promise) kept.destroy();
      native.end(event, rejected);
    });
  }

  function waitUntil(promise) {
    const event = native.currentEvent();
    if (event === undefined) {
      throw new Error("waitUntil() can only be called while an event is handled.");
    }
    extend(event, promise);
  }

  class WorkerEntrypoint {
    constructor(ctx, env) { this.ctx = ctx; this.env = env; }
  }
  class DurableObject {
    constructor(ctx, env) { this.ctx = ctx; this.env = env; }
  }
  class WorkflowEntrypoint {
    constructor(ctx, env) { this.ctx = ctx; this.env = env; }
  }
  class RpcTarget {}

  const workers = { WorkerEntrypoint, DurableObject, WorkflowEntrypoint, RpcTarget, env, waitUntil };

  // Sets keys of `env` for as long as the generator is suspended (`workers.patch_env`).
  function* patchEnv(patch) {
    const before = [];
    for (const key of Object.keys(patch)) {
      before.push([key, Object.getOwnPropertyDescriptor(env, key)]);
      env[key] = patch[key];
    }
    try {
      yield;
    } finally {
      for (const [key, descriptor] of before) {
        if (descriptor === undefined) Reflect.deleteProperty(env, key);
        else Object.defineProperty(env, key, descriptor);
      }
    }
  }

  const helper = {
    doAnImport: (name) => import(name),
    cloudflareWorkersModule: workers,
    cloudflareSocketsModule: native.sockets,
    workerEntrypoint: WorkerEntrypoint,
    // Our ExecutionContext copies and destroys proxies by itself.
    patchWaitUntil() {},
    patch_env_helper: patchEnv,
  };

  return {
    workers,
    helper,
    newContext: (event) => new ExecutionContext(native, event, undefined),
  };
})
