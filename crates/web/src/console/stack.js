// Reads the engine's stack traces, whose lines are `    at NAME (FILE:LINE:COLUMN)` or `    at NAME (native)`.
(function (native, shared) {
  "use strict";

  const { Error, endsWith, getOwnPropertyDescriptor, includes, join, lastIndexOf, split, startsWith, stringSlice, uncurryThis } =
    shared.primordials;

  const OWN = "(isthmus:";
  const accessor = getOwnPropertyDescriptor(Error.prototype, "stack");
  const stackOf = accessor !== undefined && accessor.get !== undefined ? uncurryThis(accessor.get) : (error) => error.stack;

  // The trace without the platform's own frames and without the newline at its end.
  const ofUser = (stack) => {
    const lines = split(stack, "\n");
    const kept = [];
    for (let i = 0; i < lines.length; i++) {
      if (!includes(lines[i], OWN)) {
        kept[kept.length] = lines[i];
      } else if (kept.length > 0 && endsWith(kept[kept.length - 1], "(native)")) {
        // The `apply` by which the platform called user code.
        kept.length--;
      }
    }
    if (kept.length > 0 && kept[kept.length - 1] === "") kept.length--;
    return join(kept, "\n");
  };

  // The trace of user code from here on; empty if there is none.
  const current = () => {
    const stack = stackOf(new Error());
    return typeof stack === "string" ? ofUser(stack) : "";
  };

  // The first place of a trace, as FILE:LINE:COLUMN; undefined if there is none.
  const firstPlace = (trace) => {
    const lines = split(trace, "\n");
    for (let i = 0; i < lines.length; i++) {
      const start = lastIndexOf(lines[i], " (");
      if (start === -1 || !endsWith(lines[i], ")")) continue;
      const place = stringSlice(lines[i], start + 2, -1);
      if (place !== "native" && place !== "missing" && !startsWith(place, "<")) return place;
    }
    return undefined;
  };

  // Where user code is; undefined if none is on the stack.
  const position = () => firstPlace(current());

  // Where an exception was made; where user code is, if it does not say so.
  const positionOf = (error) => {
    let trace;
    try {
      trace = error.stack;
    } catch {
      // It is no object, or its `stack` is not to be had.
    }
    return (typeof trace === "string" ? firstPlace(ofUser(trace)) : undefined) ?? position();
  };

  shared.stack = { __proto__: null, ofUser, current, position, positionOf };
})
