// URLPatternInit dictionaries: https://urlpattern.spec.whatwg.org/#urlpatterninit-processing
(function (native, shared) {
  "use strict";

  const { TypeError, endsWith, lastIndexOf, startsWith, stringSlice } = shared.primordials;
  const { usv } = shared.webidl;
  const internals = shared.urlPattern;
  const { escapePattern } = internals;

  const COMPONENTS = ["protocol", "username", "password", "hostname", "port", "pathname", "search", "hash"];

  // In the order in which Web IDL reads the members of a dictionary.
  const MEMBERS = ["baseURL", "hash", "hostname", "password", "pathname", "port", "protocol", "search", "username"];

  const isObject = (value) => (typeof value === "object" && value !== null) || typeof value === "function";

  // A string, or a dictionary with the members that are there.
  const readInput = (value) => {
    if (value !== undefined && value !== null && !isObject(value)) return usv(value);
    const init = { __proto__: null };
    if (!isObject(value)) return init;
    for (let i = 0; i < MEMBERS.length; i++) {
      const member = value[MEMBERS[i]];
      if (member !== undefined) init[MEMBERS[i]] = usv(member);
    }
    return init;
  };

  const SPECIAL = { __proto__: null, http: "80", https: "443", ws: "80", wss: "443", ftp: "21", file: undefined };
  const isSpecialScheme = (scheme) => scheme in SPECIAL;

  // `kind` is that of the native function: a component's name, or how else its text is encoded.
  const canonicalize = (kind, value, protocol = "") => {
    const result = native.canonicalize(kind, value, protocol);
    if (result === undefined || result === null) throw new TypeError(`Invalid URL pattern: '${value}' is no valid ${kind}.`);
    return result;
  };

  // The components that each one stands behind: those given there are not taken from the base URL either.
  const BEFORE = {
    __proto__: null,
    protocol: [],
    username: ["protocol", "hostname", "port"],
    password: ["protocol", "hostname", "port", "username"],
    hostname: ["protocol"],
    port: ["protocol", "hostname"],
    pathname: ["protocol", "hostname", "port"],
    search: ["protocol", "hostname", "port", "pathname"],
    hash: ["protocol", "hostname", "port", "pathname", "search"],
  };

  const isInherited = (init, component) => {
    if (init[component] !== undefined) return false;
    const before = BEFORE[component];
    for (let i = 0; i < before.length; i++) {
      if (init[before[i]] !== undefined) return false;
    }
    return true;
  };

  const isAbsolutePathname = (input, isPattern) =>
    startsWith(input, "/") || (isPattern && (startsWith(input, "\\/") || startsWith(input, "{/")));

  const withoutPrefix = (text, prefix) => (startsWith(text, prefix) ? stringSlice(text, 1) : text);

  // The components of a dictionary. Those of a URL are canonical and never missing, those of a pattern are patterns.
  const processInit = (init, isPattern) => {
    const result = { __proto__: null };
    let base;
    if (init.baseURL !== undefined) {
      base = native.components(init.baseURL, undefined);
      if (!base) throw new TypeError(`Invalid base URL '${init.baseURL}'.`);
    }
    for (let i = 0; i < COMPONENTS.length; i++) {
      const component = COMPONENTS[i];
      if (!isPattern) result[component] = "";
      if (base && isInherited(init, component)) {
        if (!isPattern) {
          result[component] = base[i];
        } else if (component !== "username" && component !== "password") {
          result[component] = escapePattern(base[i]);
        }
      }
    }
    for (let i = 0; i < COMPONENTS.length; i++) {
      const component = COMPONENTS[i];
      let value = init[component];
      if (value === undefined) continue;
      let kind = component;
      if (component === "protocol" && endsWith(value, ":")) value = stringSlice(value, 0, -1);
      if (component === "search") value = withoutPrefix(value, "?");
      if (component === "hash") value = withoutPrefix(value, "#");
      if (component === "pathname") {
        if (base && base[COMPONENTS.length] === "" && !isAbsolutePathname(value, isPattern)) {
          const basePath = isPattern ? escapePattern(base[i]) : base[i];
          value = stringSlice(basePath, 0, lastIndexOf(basePath, "/") + 1) + value;
        }
        const { protocol = "" } = result;
        if (protocol !== "" && !isSpecialScheme(protocol)) kind = "opaque pathname";
      }
      result[component] = isPattern ? value : canonicalize(kind, value, result.protocol);
    }
    return result;
  };

  internals.COMPONENTS = COMPONENTS;
  internals.SPECIAL = SPECIAL;
  internals.canonicalize = canonicalize;
  internals.isSpecialScheme = isSpecialScheme;
  internals.processInit = processInit;
  internals.readInput = readInput;
})
