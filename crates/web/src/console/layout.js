// How the inspector quotes strings and lays entries out in lines and columns.
(function (native, shared) {
  "use strict";

  const { charCodeAt, floor, includes, join, max, min, numberToString, padEnd, padStart, repeat, round, sqrt, stringSlice } =
    shared.primordials;

  // Entries of nested objects share a line while at most this many levels are nested in it.
  const COMPACT = 3;

  const escapes = {
    __proto__: null, 8: "\\b", 9: "\\t", 10: "\\n", 11: "\\x0B", 12: "\\f", 13: "\\r", 92: "\\\\",
  };

  const escapeOf = (text, index, quoteCode) => {
    const code = charCodeAt(text, index);
    if (code === quoteCode) return `\\${text[index]}`;
    if (code in escapes) return escapes[code];
    if (code < 32 || (code > 126 && code < 160)) {
      const digits = "0123456789ABCDEF";
      return `\\x${digits[code >> 4]}${digits[code & 15]}`;
    }
    if (code >= 0xd800 && code <= 0xdfff) {
      const next = code <= 0xdbff ? charCodeAt(text, index + 1) : 0;
      const previous = code >= 0xdc00 ? charCodeAt(text, index - 1) : 0;
      const paired = (next >= 0xdc00 && next <= 0xdfff) || (previous >= 0xd800 && previous <= 0xdbff);
      if (!paired) return `\\u${numberToString(code, 16)}`;
    }
    return undefined;
  };

  // A string literal: in single quotes unless another kind spares escapes.
  const quote = (text) => {
    let mark = "'";
    if (includes(text, "'")) {
      if (!includes(text, '"')) mark = '"';
      else if (!includes(text, "`") && !includes(text, "${")) mark = "`";
    }
    const quoteCode = charCodeAt(mark, 0);
    let result = "";
    let start = 0;
    for (let i = 0; i < text.length; i++) {
      const escaped = escapeOf(text, i, quoteCode);
      if (escaped !== undefined) {
        result += stringSlice(text, start, i) + escaped;
        start = i + 1;
      }
    }
    return `${mark}${result}${stringSlice(text, start)}${mark}`;
  };

  const isIdentifier = (text) => {
    for (let i = 0; i < text.length; i++) {
      const code = charCodeAt(text, i) | 32;
      const letter = (code >= 97 && code <= 122) || text[i] === "_";
      if (!letter && (i === 0 || text[i] < "0" || text[i] > "9")) return false;
    }
    return text.length > 0;
  };

  const quoteKey = (key) => (key === "__proto__" ? "['__proto__']" : isIdentifier(key) ? key : quote(key));

  // The output on one line if it is short and not deeply nested, else one entry per line.
  const reduceToLines = (state, output, base, open, close, depth, count) => {
    const lead = base === "" ? "" : `${base} `;
    if (state.currentDepth - depth < COMPACT && count === output.length) {
      let length = output.length * 2 + state.indentation + open.length + base.length + 10;
      for (let i = 0; i < output.length; i++) length += output[i].length;
      if (length <= state.breakLength && !includes(base, "\n")) {
        const joined = join(output, ", ");
        if (!includes(joined, "\n")) return `${lead}${open} ${joined} ${close}`;
      }
    }
    const indentation = `\n${repeat(" ", state.indentation)}`;
    return `${lead}${open}${indentation}  ${join(output, `,${indentation}  `)}${indentation}${close}`;
  };

  // Puts many short elements into columns, numbers aligned to the right. The last element says how
  // many are missing if `cut`, and stays by itself.
  const groupElements = (state, output, numeric, cut) => {
    const count = cut ? output.length - 1 : output.length;
    let total = 0;
    let widest = 0;
    for (let i = 0; i < count; i++) {
      if (includes(output[i], "\n")) return output;
      total += output[i].length + 2;
      widest = max(widest, output[i].length);
    }
    const column = widest + 2;
    if (column * 3 + state.indentation >= state.breakLength || !(total / column > 5 || widest <= 6)) return output;
    const biased = max(column - 3 - sqrt(column - total / output.length), 1);
    const columns = min(
      round(sqrt(2.5 * biased * count) / biased),
      floor((state.breakLength - state.indentation) / column),
      COMPACT * 4,
      15,
    );
    if (columns <= 1) return output;
    const widths = [];
    for (let i = 0; i < columns; i++) {
      let width = 0;
      for (let j = i; j < count; j += columns) width = max(width, output[j].length);
      widths[i] = width + 2;
    }
    const rows = [];
    for (let i = 0; i < count; i += columns) {
      const end = min(i + columns, count);
      let row = "";
      for (let j = i; j < end - 1; j++) {
        row += numeric ? padStart(`${output[j]}, `, widths[j - i]) : padEnd(`${output[j]}, `, widths[j - i]);
      }
      row += numeric ? padStart(output[end - 1], widths[end - 1 - i] - 2) : output[end - 1];
      rows[rows.length] = row;
    }
    if (cut) rows[rows.length] = output[count];
    return rows;
  };

  shared.quote = { __proto__: null, quote, quoteKey };
  shared.layout = { __proto__: null, reduceToLines, groupElements };
})
