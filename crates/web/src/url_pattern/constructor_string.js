// Splits the string that a URLPattern is made of into the patterns of its components.
// https://urlpattern.spec.whatwg.org/#constructor-string-parsing
(function (native, shared) {
  "use strict";

  const { stringSlice } = shared.primordials;
  const internals = shared.urlPattern;
  const { OPEN, CLOSE, REGEXP, NAME, CHAR, ESCAPED_CHAR, ASTERISK, END, INVALID_CHAR, tokenize } = internals;

  // The states, in the order of what they stand for in a URL.
  const INIT = 0, PROTOCOL = 1, AUTHORITY = 2, USERNAME = 3, PASSWORD = 4, HOSTNAME = 5, PORT = 6, PATHNAME = 7,
    SEARCH = 8, HASH = 9, DONE = 10;
  const COMPONENTS = [
    undefined, "protocol", undefined, "username", "password", "hostname", "port", "pathname", "search", "hash",
  ];

  // `isSpecial` tells whether the pattern of a protocol can match a special scheme.
  internals.parseConstructorString = (input, isSpecial) => {
    const tokens = tokenize(input, true);
    const result = { __proto__: null };
    let componentStart = 0;
    let index = 0;
    let increment = 1;
    let depth = 0;
    let brackets = 0;
    let special = false;
    let state = INIT;

    const at = (position) => tokens[position < tokens.length ? position : tokens.length - 1];
    const is = (position, value) => {
      const token = at(position);
      return token.value === value && (token.type === CHAR || token.type === ESCAPED_CHAR || token.type === INVALID_CHAR);
    };
    const isSearchPrefix = () => {
      if (is(index, "?")) return true;
      if (tokens[index].value !== "?") return false;
      if (index === 0) return true;
      const { type } = at(index - 1);
      return type !== NAME && type !== REGEXP && type !== CLOSE && type !== ASTERISK;
    };
    const isHashPrefix = () => is(index, "#");
    const component = () => stringSlice(input, at(componentStart).index, tokens[index].index);

    // Ends the component; those that lie between it and the new one are empty.
    const change = (next, skip) => {
      const name = COMPONENTS[state];
      if (name !== undefined) result[name] = component();
      if (state !== INIT && next !== DONE) {
        if (state < HOSTNAME && next > HOSTNAME) result.hostname ??= "";
        if (state < PATHNAME && next > PATHNAME) result.pathname ??= special ? "/" : "";
        if (state < SEARCH && next === HASH) result.search ??= "";
      }
      state = next;
      index += skip;
      componentStart = index;
      increment = 0;
    };
    const rewind = (next) => {
      index = componentStart;
      increment = 0;
      state = next;
    };
    // Ends the component if a later one begins here.
    const changeToLater = (from) => {
      if (from < PATHNAME && is(index, "/")) {
        change(PATHNAME, 0);
      } else if (from < SEARCH && isSearchPrefix()) {
        change(SEARCH, 1);
      } else if (isHashPrefix()) {
        change(HASH, 1);
      }
    };

    const step = () => {
      switch (state) {
        case INIT:
          if (is(index, ":")) rewind(PROTOCOL);
          break;
        case PROTOCOL:
          if (is(index, ":")) {
            special = isSpecial(component());
            if (is(index + 1, "/") && is(index + 2, "/")) {
              change(AUTHORITY, 3);
            } else {
              change(special ? AUTHORITY : PATHNAME, 1);
            }
          }
          break;
        case AUTHORITY:
          if (is(index, "@")) {
            rewind(USERNAME);
          } else if (is(index, "/") || isSearchPrefix() || isHashPrefix()) {
            rewind(HOSTNAME);
          }
          break;
        case USERNAME:
          if (is(index, ":")) {
            change(PASSWORD, 1);
          } else if (is(index, "@")) {
            change(HOSTNAME, 1);
          }
          break;
        case PASSWORD:
          if (is(index, "@")) change(HOSTNAME, 1);
          break;
        case HOSTNAME:
          if (is(index, "[")) {
            brackets++;
          } else if (is(index, "]")) {
            brackets--;
          } else if (is(index, ":") && brackets === 0) {
            change(PORT, 1);
          } else {
            changeToLater(HOSTNAME);
          }
          break;
        case HASH:
          break;
        default:
          changeToLater(state);
      }
    };

    for (; index < tokens.length; index += increment) {
      increment = 1;
      const { type } = tokens[index];
      if (type === END) {
        if (state === INIT) {
          // There is no protocol: what is there begins with another component.
          rewind(INIT);
          if (isHashPrefix()) {
            change(HASH, 1);
          } else if (isSearchPrefix()) {
            change(SEARCH, 1);
          } else {
            change(PATHNAME, 0);
          }
          continue;
        }
        if (state === AUTHORITY) {
          rewind(HOSTNAME);
          continue;
        }
        change(DONE, 0);
        break;
      }
      if (type === OPEN) {
        depth++;
        continue;
      }
      if (depth > 0) {
        if (type !== CLOSE) continue;
        depth--;
      }
      step();
    }
    if (result.hostname !== undefined) result.port ??= "";
    return result;
  };
})
