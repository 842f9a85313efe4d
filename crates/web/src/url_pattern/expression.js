// Regular expressions with the flag "v", as the engine understands them.
//
// Outside of classes QuickJS takes "-", "/" and doubled punctuators for what they are inside of classes, and refuses
// them. There they are literal characters, which we write as escapes.
(function (native, shared) {
  "use strict";

  const { RegExp, includes, indexOf, stringCharAt } = shared.primordials;

  const REFUSED_DOUBLED = "&!#%,:;<=>@`~";
  const ESCAPES = {
    __proto__: null,
    "-": "\\x2d", "/": "\\/", "&": "\\x26", "!": "\\x21", "#": "\\x23", "%": "\\x25", ",": "\\x2c", ":": "\\x3a",
    ";": "\\x3b", "<": "\\x3c", "=": "\\x3d", ">": "\\x3e", "@": "\\x40", "`": "\\x60", "~": "\\x7e",
  };

  const rewrite = (source) => {
    let result = "";
    let classes = 0;
    for (let i = 0; i < source.length; i++) {
      const character = stringCharAt(source, i);
      const next = stringCharAt(source, i + 1);
      if (character === "\\") {
        result += character + next;
        i++;
      } else if (character === "[") {
        classes++;
        result += character;
      } else if (character === "]" && classes > 0) {
        classes--;
        result += character;
      } else if (classes === 0 && character === "(" && next === "?") {
        // What kind of group it is ends with one of these.
        do {
          result += stringCharAt(source, i++);
        } while (i < source.length && !includes(":=!>", stringCharAt(source, i)));
        result += stringCharAt(source, i);
      } else if (classes === 0 && (character === "-" || character === "/"
        || (character === next && indexOf(REFUSED_DOUBLED, character) >= 0))) {
        result += ESCAPES[character];
      } else {
        result += character;
      }
    }
    return result;
  };

  // Throws a SyntaxError if `source` is no regular expression.
  shared.urlPattern.expression = (source, ignoreCase) => new RegExp(rewrite(source), ignoreCase ? "vi" : "v");
})
