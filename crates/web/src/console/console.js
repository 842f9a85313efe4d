// The console: https://console.spec.whatwg.org/
(function (native, shared) {
  "use strict";

  const p = shared.primordials;
  const { Map, create, getPrototypeOf, hasOwn, isArray, join, mapDelete, mapGet, mapHas, mapSet, split, stringSlice } = p;
  const { defineGlobal, tag } = shared.webidl;
  const { formatNumber, inspect, lookUp, stack } = shared;
  const stringify = JSON.stringify;
  const { Number } = globalThis;

  // LogLevel, as console/mod.rs numbers it.
  const DEBUG = 0, LOG = 1, INFO = 2, WARN = 3, ERROR = 4;

  const counts = new Map();
  const timers = new Map();
  let indentation = "";

  const write = (level, text) => {
    let indented = text;
    if (indentation !== "") indented = indentation + join(split(text, "\n"), `\n${indentation}`);
    native.log(level, p.toWellFormed(indented), stack.position());
  };

  // The toString methods of the language itself; this script runs before there are other interfaces.
  const languageMethods = new Map();
  for (const name of p.ownKeys(globalThis)) {
    const prototype = globalThis[name]?.prototype;
    if (typeof prototype === "object" && hasOwn(prototype, "toString")) mapSet(languageMethods, prototype.toString, true);
  }
  mapSet(languageMethods, Function.prototype.toString, true);

  // Whether String() of an object gives nothing of interest: nobody has defined toString for it.
  const hasBuiltInToString = (object) => {
    if (native.isProxy(object)) return true;
    for (let holder = object; holder !== null; holder = getPrototypeOf(holder)) {
      if (native.isProxy(holder)) return true;
      if (hasOwn(holder, "toString")) {
        return mapHas(languageMethods, holder.toString);
      }
    }
    return true;
  };

  const textOf = (value) => {
    switch (typeof value) {
      case "string": return value;
      case "number": return formatNumber(value);
      case "bigint": return `${p.bigIntToString(value)}n`;
      case "symbol": return p.symbolToString(value);
      case "object":
        if (value !== null && hasBuiltInToString(value)) return inspect(value, 0, indentation.length);
    }
    return `${value}`;
  };

  const numberOf = (value, convert) => {
    if (typeof value === "bigint") return `${p.bigIntToString(value)}n`;
    return typeof value === "symbol" ? "NaN" : formatNumber(convert(value));
  };

  const jsonOf = (value) => {
    const text = stringify(value);
    return text === undefined ? "undefined" : text;
  };

  // Replaces the directive with this letter; undefined if there is none.
  const directive = (letter, value) => {
    try {
      switch (letter) {
        case "s": return textOf(value);
        case "d": return numberOf(value, Number);
        case "i": return numberOf(value, p.parseInt);
        case "f": return numberOf(value, p.parseFloat);
        case "j": return jsonOf(value);
        case "o": return inspect(value, 4, indentation.length);
        case "O": return inspect(value, 2, indentation.length);
        case "c": return "";
      }
    } catch {
      // A conversion threw, or the value has a cycle that JSON cannot express.
      return inspect(value, 0, indentation.length);
    }
    return undefined;
  };

  const format = (args) => {
    let text = "";
    let next = 0;
    if (args.length > 0 && typeof args[0] === "string") {
      const template = args[0];
      next = 1;
      let start = 0;
      if (args.length > 1) {
        for (let i = 0; i < template.length - 1; i++) {
          if (template[i] !== "%") continue;
          const letter = template[i + 1];
          let replaced;
          if (letter === "%") {
            replaced = "%";
          } else if (next < args.length) {
            replaced = directive(letter, args[next]);
            if (replaced === undefined) continue;
            next++;
          } else {
            continue;
          }
          text += stringSlice(template, start, i) + replaced;
          i++;
          start = i + 1;
        }
      }
      text += stringSlice(template, start);
    }
    for (let i = next; i < args.length; i++) {
      const shown = typeof args[i] === "string" ? args[i] : inspect(args[i], 2, indentation.length);
      text += i === 0 ? shown : ` ${shown}`;
    }
    return text;
  };

  // A label; what cannot become a string counts as unlabelled.
  const labelOf = (label) => {
    try {
      return label === undefined ? "default" : `${label}`;
    } catch {
      return "default";
    }
  };

  const elapsed = (since) => {
    const milliseconds = native.now() - since;
    if (milliseconds < 1000) return `${+p.toFixed(milliseconds, 3)}ms`;
    if (milliseconds < 60000) return `${p.toFixed(milliseconds / 1000, 3)}s`;
    const minutes = p.floor(milliseconds / 60000);
    return `${minutes}:${p.padStart(p.toFixed((milliseconds - minutes * 60000) / 1000, 3), 6, "0")} (m:ss.mmm)`;
  };

  const timer = (label) => {
    const since = mapGet(timers, label);
    if (since === undefined) write(WARN, `Timer '${label}' does not exist`);
    return since;
  };

  const group = (args) => {
    if (args.length > 0) write(LOG, format(args));
    indentation += "  ";
  };

  const methods = {
    debug(...args) {
      write(DEBUG, format(args));
    },
    error(...args) {
      write(ERROR, format(args));
    },
    info(...args) {
      write(INFO, format(args));
    },
    log(...args) {
      write(LOG, format(args));
    },
    warn(...args) {
      write(WARN, format(args));
    },
    trace(...args) {
      const text = format(args);
      const trace = stack.current();
      write(DEBUG, `Trace${text === "" ? "" : `: ${text}`}${trace === "" ? "" : `\n${trace}`}`);
    },
    assert(condition = false, ...args) {
      if (condition) return;
      if (args.length > 0 && typeof args[0] === "string") {
        args[0] = `Assertion failed: ${args[0]}`;
        write(ERROR, format(args));
      } else {
        const text = format(args);
        write(ERROR, text === "" ? "Assertion failed" : `Assertion failed: ${text}`);
      }
    },
    dir(item = undefined, options = undefined) {
      let depth = 2;
      if (typeof options === "object" && options !== null && !native.isProxy(options)) {
        const wanted = lookUp(options, "depth");
        if (typeof wanted === "number") depth = wanted;
        else if (wanted === null) depth = Infinity;
      }
      write(LOG, inspect(item, depth, indentation.length));
    },
    dirxml(...args) {
      write(LOG, format(args));
    },
    table(data = undefined, columns = undefined) {
      const text = shared.table(data, isArray(columns) ? columns : undefined);
      write(LOG, text === undefined ? format([data]) : text);
    },
    count(label = "default") {
      const name = labelOf(label);
      const count = (mapGet(counts, name) ?? 0) + 1;
      mapSet(counts, name, count);
      write(LOG, `${name}: ${count}`);
    },
    countReset(label = "default") {
      const name = labelOf(label);
      if (!mapDelete(counts, name)) write(WARN, `Count for '${name}' does not exist`);
    },
    group(...args) {
      group(args);
    },
    groupCollapsed(...args) {
      group(args);
    },
    groupEnd() {
      indentation = stringSlice(indentation, 2);
    },
    time(label = "default") {
      const name = labelOf(label);
      if (mapGet(timers, name) !== undefined) {
        write(WARN, `Timer '${name}' already exists`);
      } else {
        mapSet(timers, name, native.now());
      }
    },
    timeLog(label = "default", ...args) {
      const name = labelOf(label);
      const since = timer(name);
      if (since === undefined) return;
      const text = format(args);
      write(LOG, `${name}: ${elapsed(since)}${text === "" ? "" : ` ${text}`}`);
    },
    timeEnd(label = "default") {
      const name = labelOf(label);
      const since = timer(name);
      if (since === undefined) return;
      mapDelete(timers, name);
      write(LOG, `${name}: ${elapsed(since)}`);
    },
  };

  const console = create(create(p.objectPrototype));
  const names = p.ownKeys(methods);
  for (let i = 0; i < names.length; i++) console[names[i]] = methods[names[i]];
  tag(console, "console");
  defineGlobal("console", console, false);

  // Logs an exception that nobody caught.
  shared.report = (error) => {
    native.log(ERROR, p.toWellFormed(`Uncaught ${inspect(error)}`), undefined);
  };
  // A text for messages that other parts of the process show.
  shared.format = (...args) => p.toWellFormed(format(args));
})
