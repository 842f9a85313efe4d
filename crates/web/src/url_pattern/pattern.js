// Pattern strings: their parts, and the regular expression and the normal form that these make.
// https://urlpattern.spec.whatwg.org/#parsing-pattern-strings, https://urlpattern.spec.whatwg.org/#component-internals
(function (native, shared) {
  "use strict";

  const { Map, TypeError, charCodeAt, endsWith, includes, mapHas, mapSet, stringCharAt } = shared.primordials;
  const internals = shared.urlPattern;
  const {
    OPEN, CLOSE, REGEXP, NAME, CHAR, ESCAPED_CHAR, OTHER_MODIFIER, ASTERISK, END, expression, isNameCodePoint,
    tokenize,
  } = internals;

  // The engine makes template literals with String.prototype.concat, which user code can replace: there are none here
  // but in messages of errors.

  const FIXED_TEXT = 0, REGEXP_GROUP = 1, SEGMENT_WILDCARD = 2, FULL_WILDCARD = 3;
  const ANYTHING = ".*";

  // Every character of `text` that is among `special`, behind a backslash. All of `special` is ASCII.
  const escape = (text, special) => {
    let result = "";
    for (let i = 0; i < text.length; i++) {
      const character = stringCharAt(text, i);
      result += includes(special, character) ? "\\" + character : character;
    }
    return result;
  };
  const escapeRegExp = (text) => escape(text, ".+*?^${}()[]|/\\");
  const escapePattern = (text) => escape(text, "+*?:{}()\\");

  const segmentWildcard = (options) => "[^" + escapeRegExp(options.delimiter) + "]+?";

  // The parts of a pattern string; `canonicalize` encodes its fixed text.
  const parse = (input, options, canonicalize) => {
    const tokens = tokenize(input, false);
    const segment = segmentWildcard(options);
    const parts = [];
    const names = new Map();
    let index = 0;
    let pending = "";
    let nextNumber = 0;

    const take = (type) => (tokens[index].type === type ? tokens[index++] : undefined);
    const require = (type) => {
      if (take(type) === undefined) {
        throw new TypeError(`Invalid URL pattern: '${input}' has an unexpected '${tokens[index].value}' at position ${tokens[index].index}.`);
      }
    };
    const takeModifier = () => take(OTHER_MODIFIER) ?? take(ASTERISK);
    const takeRegExpOrWildcard = (name) => take(REGEXP) ?? (name === undefined ? take(ASTERISK) : undefined);
    const takeText = () => {
      let text = "";
      for (let token; (token = take(CHAR) ?? take(ESCAPED_CHAR)) !== undefined;) text += token.value;
      return text;
    };

    const push = (type, value, modifier, name = "", prefix = "", suffix = "") => {
      parts[parts.length] = { __proto__: null, type, value, modifier, name, prefix, suffix };
    };
    const flush = () => {
      if (pending === "") return;
      const text = canonicalize(pending);
      pending = "";
      push(FIXED_TEXT, text, "");
    };
    const add = (prefix, name, pattern, suffix, modifierToken) => {
      const modifier = modifierToken === undefined ? "" : modifierToken.value;
      if (name === undefined && pattern === undefined) {
        if (modifier === "") {
          pending += prefix;
        } else {
          flush();
          if (prefix !== "") push(FIXED_TEXT, canonicalize(prefix), modifier);
        }
        return;
      }
      flush();
      let value = pattern === undefined ? segment : pattern.type === ASTERISK ? ANYTHING : pattern.value;
      let type = REGEXP_GROUP;
      if (value === segment || value === ANYTHING) {
        type = value === segment ? SEGMENT_WILDCARD : FULL_WILDCARD;
        value = "";
      }
      const groupName = name === undefined ? "" + nextNumber++ : name.value;
      if (mapHas(names, groupName)) throw new TypeError(`Invalid URL pattern: '${input}' has two groups '${groupName}'.`);
      mapSet(names, groupName, true);
      push(type, value, modifier, groupName, canonicalize(prefix), canonicalize(suffix));
    };

    while (index < tokens.length) {
      const char = take(CHAR);
      let name = take(NAME);
      let pattern = takeRegExpOrWildcard(name);
      if (name !== undefined || pattern !== undefined) {
        let prefix = char === undefined ? "" : char.value;
        if (prefix !== options.prefix) {
          pending += prefix;
          prefix = "";
        }
        add(prefix, name, pattern, "", takeModifier());
        continue;
      }
      const fixed = char ?? take(ESCAPED_CHAR);
      if (fixed !== undefined) {
        pending += fixed.value;
        continue;
      }
      if (take(OPEN) !== undefined) {
        const prefix = takeText();
        name = take(NAME);
        pattern = takeRegExpOrWildcard(name);
        const suffix = takeText();
        require(CLOSE);
        add(prefix, name, pattern, suffix, takeModifier());
        continue;
      }
      flush();
      require(END);
    }
    return parts;
  };

  // The source of the regular expression of some parts.
  const toRegExp = (parts, options) => {
    let source = "^";
    for (let i = 0; i < parts.length; i++) {
      const part = parts[i];
      const { type, modifier } = part;
      if (type === FIXED_TEXT) {
        const text = escapeRegExp(part.value);
        source += modifier === "" ? text : "(?:" + text + ")" + modifier;
        continue;
      }
      const value = type === SEGMENT_WILDCARD ? segmentWildcard(options) : type === FULL_WILDCARD ? ANYTHING : part.value;
      const prefix = escapeRegExp(part.prefix);
      const suffix = escapeRegExp(part.suffix);
      const once = modifier === "" || modifier === "?";
      if (prefix === "" && suffix === "") {
        source += once ? "(" + value + ")" + modifier : "((?:" + value + ")" + modifier + ")";
      } else if (once) {
        source += "(?:" + prefix + "(" + value + ")" + suffix + ")" + modifier;
      } else {
        source += "(?:" + prefix + "((?:" + value + ")(?:" + suffix + prefix + "(?:" + value + "))*)" + suffix + ")"
          + (modifier === "*" ? "?" : "");
      }
    }
    return source + "$";
  };

  // Groups without a name of their own are numbered.
  const hasName = (part) => {
    const code = charCodeAt(part.name, 0);
    return !(code >= 48 && code <= 57);
  };

  // Whether a part must be in braces so that it is read as it is meant.
  const needsBraces = (parts, index, options) => {
    const part = parts[index];
    if (part.suffix !== "" || (part.prefix !== "" && part.prefix !== options.prefix)) return true;
    const next = parts[index + 1];
    if (hasName(part) && part.type === SEGMENT_WILDCARD && part.modifier === "" && next !== undefined
      && next.prefix === "" && next.suffix === "") {
      const joins = next.type === FIXED_TEXT ? isNameCodePoint(next.value, false) : !hasName(next);
      if (joins) return true;
    }
    const previous = parts[index - 1];
    return part.prefix === "" && previous !== undefined && previous.type === FIXED_TEXT && options.prefix !== ""
      && endsWith(previous.value, options.prefix);
  };

  // The pattern string of some parts, in its normal form.
  const toPattern = (parts, options) => {
    let result = "";
    for (let i = 0; i < parts.length; i++) {
      const part = parts[i];
      const { type, modifier } = part;
      if (type === FIXED_TEXT) {
        const text = escapePattern(part.value);
        result += modifier === "" ? text : "{" + text + "}" + modifier;
        continue;
      }
      const named = hasName(part);
      const braces = needsBraces(parts, i, options);
      if (braces) result += "{";
      result += escapePattern(part.prefix);
      if (named) result += ":" + part.name;
      if (type === REGEXP_GROUP) {
        result += "(" + part.value + ")";
      } else if (type === SEGMENT_WILDCARD) {
        if (!named) result += "(" + segmentWildcard(options) + ")";
      } else {
        const previous = parts[i - 1];
        const star = !named && (previous === undefined || previous.type === FIXED_TEXT || previous.modifier !== ""
          || braces || part.prefix !== "");
        result += star ? "*" : "(" + ANYTHING + ")";
      }
      if (type === SEGMENT_WILDCARD && named && isNameCodePoint(part.suffix, false)) result += "\\";
      result += escapePattern(part.suffix);
      if (braces) result += "}";
      result += modifier;
    }
    return result;
  };

  // A component: what its pattern is, and how to match it.
  const compile = (input, canonicalize, options, ignoreCase) => {
    const parts = parse(input, options, canonicalize);
    const names = [];
    let hasRegExpGroups = false;
    for (let i = 0; i < parts.length; i++) {
      const { type, name } = parts[i];
      if (type !== FIXED_TEXT) names[names.length] = name;
      if (type === REGEXP_GROUP) hasRegExpGroups = true;
    }
    let regExp;
    try {
      regExp = expression(toRegExp(parts, options), ignoreCase);
    } catch {
      throw new TypeError(`Invalid URL pattern: '${input}' is no valid regular expression.`);
    }
    return { __proto__: null, pattern: toPattern(parts, options), regExp, names, hasRegExpGroups };
  };

  internals.compile = compile;
  internals.escapePattern = escapePattern;
})
