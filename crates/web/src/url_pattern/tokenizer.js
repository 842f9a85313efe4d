// Tokens of a pattern string: https://urlpattern.spec.whatwg.org/#tokenizing
(function (native, shared) {
  "use strict";

  const { RegExp, TypeError, charCodeAt, codePointAt, fromCodePoint, regExpExec, stringSlice } = shared.primordials;

  const OPEN = 0, CLOSE = 1, REGEXP = 2, NAME = 3, CHAR = 4, ESCAPED_CHAR = 5, OTHER_MODIFIER = 6, ASTERISK = 7, END = 8,
    INVALID_CHAR = 9;

  const NAME_START = new RegExp("^[$_\\p{ID_Start}]$", "u");
  const NAME_PART = new RegExp("^[$_\\u200c\\u200d\\p{ID_Continue}]$", "u");

  // Whether the first code point of `text` may be in the name of a group.
  const isNameCodePoint = (text, first) =>
    text !== "" && regExpExec(first ? NAME_START : NAME_PART, fromCodePoint(codePointAt(text, 0))) !== null;

  // Positions are of UTF-16 units; `input` is well-formed. A lenient tokenizer makes a token of what is not allowed.
  const tokenize = (input, lenient) => {
    const tokens = [];
    const { length } = input;
    let index = 0;

    const add = (type, next, start, end = next) => {
      tokens[tokens.length] = { __proto__: null, type, index, value: stringSlice(input, start, end) };
      index = next;
    };
    const invalid = (next, start) => {
      if (!lenient) throw new TypeError(`Invalid URL pattern: '${input}' has an error at position ${start}.`);
      add(INVALID_CHAR, next, start);
    };

    // The end of the regular expression that begins at `start`, its ")" included; undefined if it is none.
    const regExpEnd = (start) => {
      let depth = 1;
      for (let position = start; position < length; position++) {
        let code = charCodeAt(input, position);
        if (code > 127 || (position === start && code === 63 /* ? */)) return undefined;
        if (code === 92 /* \ */) {
          position++;
          if (position === length || charCodeAt(input, position) > 127) return undefined;
        } else if (code === 41 /* ) */) {
          if (--depth === 0) return position === start ? undefined : position + 1;
        } else if (code === 40 /* ( */) {
          depth++;
          code = position + 1 < length ? charCodeAt(input, position + 1) : 0;
          // Groups that capture would disturb the numbering.
          if (code !== 63 /* ? */) return undefined;
        }
      }
      return undefined;
    };

    const nameEnd = (start) => {
      let end = start;
      while (end < length) {
        const character = fromCodePoint(codePointAt(input, end));
        if (regExpExec(end === start ? NAME_START : NAME_PART, character) === null) break;
        end += character.length;
      }
      return end;
    };

    while (index < length) {
      const start = index;
      const character = fromCodePoint(codePointAt(input, start));
      const next = start + character.length;
      switch (character) {
        case "*":
          add(ASTERISK, next, start);
          break;
        case "+":
        case "?":
          add(OTHER_MODIFIER, next, start);
          break;
        case "{":
          add(OPEN, next, start);
          break;
        case "}":
          add(CLOSE, next, start);
          break;
        case "\\":
          if (next === length) {
            invalid(next, start);
          } else {
            add(ESCAPED_CHAR, next + fromCodePoint(codePointAt(input, next)).length, next);
          }
          break;
        case ":": {
          const end = nameEnd(next);
          if (end === next) {
            invalid(next, start);
          } else {
            add(NAME, end, next);
          }
          break;
        }
        case "(": {
          const end = regExpEnd(next);
          if (end === undefined) {
            invalid(next, start);
          } else {
            add(REGEXP, end, next, end - 1);
          }
          break;
        }
        default:
          add(CHAR, next, start);
      }
    }
    add(END, index, index);
    return tokens;
  };

  shared.urlPattern = {
    __proto__: null,
    OPEN, CLOSE, REGEXP, NAME, CHAR, ESCAPED_CHAR, OTHER_MODIFIER, ASTERISK, END, INVALID_CHAR,
    isNameCodePoint, tokenize,
  };
})
