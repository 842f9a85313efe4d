// JavaScript's `pyodide` object (`spec/ffi.md` §6). Runs when it is first asked for. `native` are functions of `api.rs`,
// `python` is the proxy of what `isthmus._runtime.api` does for it.
(function (native, python, classes) {
  "use strict";
  const { PyProxy } = classes;
  const { isInteger } = Number;
  const ffi = { ...classes };

  // `__main__`'s globals; names that are not there are looked for among the builtins, as Python does.
  const { globals, builtins, eval_code, eval_code_async } = python;
  const plain = Object.getPrototypeOf(globals);
  const own = Object.create(plain, {
    get: {
      value: function get(name) {
        const value = plain.get.call(this, name);
        return value === undefined ? builtins.get(name) : value;
      },
    },
    has: {
      value: function has(name) {
        return plain.has.call(this, name) || builtins.has(name);
      },
    },
  });
  Object.setPrototypeOf(globals, own);

  const runOptions = (options) => ({ ...options, globals: options.globals || api.globals });

  const methods = {
    runPython(code, options = {}) {
      return eval_code.callKwargs(code, runOptions(options));
    },
    async runPythonAsync(code, options = {}) {
      return await eval_code_async.callKwargs(code, runOptions(options));
    },
    registerJsModule(name, module) {
      python.register_js_module(name, module);
    },
    unregisterJsModule(name) {
      python.unregister_js_module(name);
    },
    toPy(value, { depth = -1, defaultConverter } = {}) {
      const converts = typeof value === "object" ? value !== null : typeof value === "function" || typeof value === "symbol";
      if (!converts || value instanceof PyProxy) return value;
      // What is no whole number of levels is no limit.
      return native.toPy(value, depth !== null && isInteger(Number(depth)) ? depth : -1, defaultConverter);
    },
    pyimport(name) {
      return python.pyimport(name);
    },
    setStdin(options) {
      python.set_stdin(options);
    },
    setStdout(options) {
      python.set_stdout(options);
    },
    setStderr(options) {
      python.set_stderr(options);
    },
    setInterruptBuffer(buffer) {
      native.setInterruptBuffer(buffer);
    },
    checkInterrupt() {
      native.checkInterrupt();
    },
    setDebug(debug) {
      return native.setDebug(debug);
    },
  };

  // What has no meaning where Python and its packages are the machine's own.
  const packages = "packages are installed with pip before the program starts";
  const files = "Python uses the machine's own file system";
  const refused = {
    loadPackage: packages,
    loadPackagesFromImports: packages,
    unpackArchive: "use shutil.unpack_archive",
    mountNativeFS: files,
    mountNodeFS: files,
    useNodeSockFS: "Python uses the machine's own sockets",
    makeMemorySnapshot: "isolates are forked from a warm process",
  };
  for (const [name, reason] of Object.entries(refused)) {
    methods[name] = {
      [name]() {
        throw new Error(`pyodide.${name}() is not available here: ${reason}`);
      },
    }[name];
  }
  for (const name of ["loadPackage", "loadPackagesFromImports", "mountNativeFS", "useNodeSockFS"]) {
    const refuse = methods[name];
    methods[name] = { async [name]() { refuse(); } }[name];
  }

  const api = {
    version: python.version,
    ffi,
    globals,
    pyodide_py: python.pyodide_py,
    _api: {
      setPyProxyToStringMethod(useRepr) {
        native.setToStringRepr(useRepr);
      },
    },
  };
  for (const [name, value] of Object.entries(methods)) {
    Object.defineProperty(api, name, { value, writable: true, configurable: true });
  }
  return api;
})
