// URLPattern: https://urlpattern.spec.whatwg.org/#urlpattern-class
(function (native, shared) {
  "use strict";

  const { TypeError, defineProperty, regExpExec, startsWith } = shared.primordials;
  const { dictionary, expose, usv } = shared.webidl;
  const {
    COMPONENTS, SPECIAL, canonicalize, compile, isSpecialScheme, parseConstructorString, processInit, readInput,
  } = shared.urlPattern;

  const DEFAULT = { __proto__: null, delimiter: "", prefix: "" };
  const HOSTNAME = { __proto__: null, delimiter: ".", prefix: "" };
  const PATHNAME = { __proto__: null, delimiter: "/", prefix: "/" };

  const ENCODERS = { __proto__: null };
  for (const kind of [...COMPONENTS, "IPv6 hostname", "opaque pathname"]) {
    ENCODERS[kind] = (text) => canonicalize(kind, text);
  }

  const matchesSpecialScheme = ({ regExp }) => {
    for (const scheme in SPECIAL) {
      if (regExpExec(regExp, scheme) !== null) return true;
    }
    return false;
  };

  const isSpecialPattern = (protocol) => matchesSpecialScheme(compile(protocol, ENCODERS.protocol, DEFAULT, false));

  const isIPv6Pattern = (hostname) =>
    hostname.length > 1 && (startsWith(hostname, "[") || startsWith(hostname, "{[") || startsWith(hostname, "\\["));

  // The components of a pattern, by name.
  const compileAll = (init, ignoreCase) => {
    const patterns = processInit(init, true);
    for (let i = 0; i < COMPONENTS.length; i++) patterns[COMPONENTS[i]] ??= "*";
    const { protocol, port } = patterns;
    if (isSpecialScheme(protocol) && SPECIAL[protocol] === port) patterns.port = "";

    const compiled = { __proto__: null };
    for (let i = 0; i < COMPONENTS.length; i++) {
      const name = COMPONENTS[i];
      let kind = name;
      let options = DEFAULT;
      let insensitive = false;
      if (name === "hostname") {
        if (isIPv6Pattern(patterns.hostname)) kind = "IPv6 hostname";
        options = HOSTNAME;
      } else if (name === "pathname") {
        insensitive = ignoreCase;
        if (matchesSpecialScheme(compiled.protocol)) {
          options = PATHNAME;
        } else {
          kind = "opaque pathname";
        }
      } else if (name === "search" || name === "hash") {
        insensitive = ignoreCase;
      }
      compiled[name] = compile(patterns[name], ENCODERS[kind], options, insensitive);
    }
    return compiled;
  };

  const componentResult = ({ names }, input, match) => {
    const groups = {};
    for (let i = 0; i < names.length; i++) {
      // Not by assignment: a group may be called __proto__.
      defineProperty(groups, names[i], {
        __proto__: null, value: match[i + 1], writable: true, enumerable: true, configurable: true,
      });
    }
    return { input, groups };
  };

  // What a URL or a dictionary comes to, component by component; undefined if it is no URL.
  const componentsOf = (input, base) => {
    if (typeof input === "string") return native.components(input, base) ?? undefined;
    let result;
    try {
      result = processInit(input, false);
    } catch {
      return undefined;
    }
    const values = [];
    for (let i = 0; i < COMPONENTS.length; i++) values[i] = result[COMPONENTS[i]];
    return values;
  };

  class URLPattern {
    #components;

    constructor(input = undefined, baseOrOptions = undefined, options = undefined) {
      const init = readInput(input);
      let base;
      let given = baseOrOptions;
      if (arguments.length > 2 || !(given === undefined || given === null || typeof given === "object" || typeof given === "function")) {
        base = usv(given);
        given = options;
      }
      const { ignoreCase = false } = dictionary(given, "The options of URLPattern");
      let components = init;
      if (typeof init === "string") {
        components = parseConstructorString(init, isSpecialPattern);
        if (base !== undefined) {
          components.baseURL = base;
        } else if (components.protocol === undefined) {
          throw new TypeError(`Invalid URL pattern: '${init}' is relative, and there is no base URL.`);
        }
      } else if (base !== undefined) {
        throw new TypeError("A base URL must not be given beside a dictionary.");
      }
      this.#components = compileAll(components, !!ignoreCase);
    }

    // The components' values and the results of their expressions; undefined if one does not match.
    #match(input, base) {
      const components = this.#components;
      if (base !== undefined && typeof input !== "string") {
        throw new TypeError("A base URL must not be given beside a dictionary.");
      }
      const values = componentsOf(input, base);
      if (values === undefined) return undefined;
      const matches = [];
      for (let i = 0; i < COMPONENTS.length; i++) {
        const match = regExpExec(components[COMPONENTS[i]].regExp, values[i]);
        if (match === null) return undefined;
        matches[i] = match;
      }
      return { __proto__: null, values, matches };
    }

    test(input = undefined, baseURL = undefined) {
      this.#components;
      return this.#match(readInput(input), baseURL === undefined ? undefined : usv(baseURL)) !== undefined;
    }

    exec(input = undefined, baseURL = undefined) {
      const components = this.#components;
      const given = readInput(input);
      const base = baseURL === undefined ? undefined : usv(baseURL);
      const match = this.#match(given, base);
      if (match === undefined) return null;
      const first = typeof given === "string" ? given : { ...given };
      const result = { inputs: base === undefined ? [first] : [first, base] };
      for (let i = 0; i < COMPONENTS.length; i++) {
        const name = COMPONENTS[i];
        result[name] = componentResult(components[name], match.values[i], match.matches[i]);
      }
      return result;
    }

    get protocol() {
      return this.#components.protocol.pattern;
    }
    get username() {
      return this.#components.username.pattern;
    }
    get password() {
      return this.#components.password.pattern;
    }
    get hostname() {
      return this.#components.hostname.pattern;
    }
    get port() {
      return this.#components.port.pattern;
    }
    get pathname() {
      return this.#components.pathname.pattern;
    }
    get search() {
      return this.#components.search.pattern;
    }
    get hash() {
      return this.#components.hash.pattern;
    }

    get hasRegExpGroups() {
      const components = this.#components;
      for (let i = 0; i < COMPONENTS.length; i++) {
        if (components[COMPONENTS[i]].hasRegExpGroups) return true;
      }
      return false;
    }
  }

  expose(URLPattern, "URLPattern");
})
