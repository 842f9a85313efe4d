// Shows any value as text, in the manner of Node's util.inspect, which workerd's console uses too.
// No getter of user code is called but `Symbol.toStringTag`, no proxy trap ever, and nothing that
// user code throws gets out.
(function (native, shared) {
  "use strict";

  const p = shared.primordials;
  const {
    apply, getOwnPropertyDescriptor, getPrototypeOf, hasOwn, is, isArray, join, mapGet, mapSet, ownKeys,
    repeat, stringSlice, symbolIterator, symbolToStringTag, uncurryThis,
  } = p;
  const { attributesOf, isInterface, pairsOf } = shared.webidl;
  const { quote, quoteKey } = shared.quote;
  const { reduceToLines, groupElements } = shared.layout;

  const MAX_ITEMS = 100;
  const MAX_STRING = 10000;
  const MAX_BUFFER_BYTES = 50;
  // Beyond this length an array is not searched for properties other than its elements.
  const MAX_ARRAY_KEYS = 100000;

  const objectToString = uncurryThis(Object.prototype.toString);
  const isError = Error.isError;
  const OBJECT = 0, ARRAY = 1;

  const domExceptionName = p.getter(DOMException.prototype, "name");
  const regExpSource = p.getter(RegExp.prototype, "source");
  const regExpFlags = [];
  const flagNames = ["hasIndices", "global", "ignoreCase", "multiline", "dotAll", "unicode", "unicodeSets", "sticky"];
  for (let i = 0; i < flagNames.length; i++) regExpFlags[i] = p.getter(RegExp.prototype, flagNames[i]);

  const plural = (count) => (count === 1 ? "" : "s");
  const more = (count, what = "item") => `... ${count} more ${what}${plural(count)}`;

  // What kind of object has this prototype somewhere in its chain; a first guess, verified by its brand.
  const kinds = new p.Map();
  const kindOf = (constructor, kind) => mapSet(kinds, constructor.prototype, kind);
  kindOf(Map, "Map");
  kindOf(Set, "Set");
  kindOf(WeakMap, "WeakMap");
  kindOf(WeakSet, "WeakSet");
  kindOf(Date, "Date");
  kindOf(RegExp, "RegExp");
  kindOf(ArrayBuffer, "ArrayBuffer");
  kindOf(SharedArrayBuffer, "SharedArrayBuffer");
  kindOf(DataView, "DataView");
  kindOf(Number, "Number");
  kindOf(String, "String");
  kindOf(Boolean, "Boolean");
  kindOf(BigInt, "BigInt");
  kindOf(Symbol, "Symbol");
  kindOf(DOMException, "error");
  const functionKinds = new p.Map();
  mapSet(functionKinds, getPrototypeOf(async () => {}), "AsyncFunction");
  mapSet(functionKinds, getPrototypeOf(function* () {}), "GeneratorFunction");
  mapSet(functionKinds, getPrototypeOf(async function* () {}), "AsyncGeneratorFunction");

  // The value a property look-up finds, calling a getter only on a prototype; undefined if it throws.
  const lookUp = (object, key) => {
    try {
      for (let holder = object; holder !== null; holder = getPrototypeOf(holder)) {
        const descriptor = getOwnPropertyDescriptor(holder, key);
        if (descriptor === undefined) continue;
        if (hasOwn(descriptor, "value")) return descriptor.value;
        return holder === object || descriptor.get === undefined ? undefined : apply(descriptor.get, object, []);
      }
    } catch {
      // Counts as absent.
    }
    return undefined;
  };

  // The name of the class: that of the first prototype that belongs to its constructor; null if there is none.
  const constructorName = (object) => {
    for (let holder = object; holder !== null; holder = getPrototypeOf(holder)) {
      if (native.isProxy(holder)) return null;
      const descriptor = getOwnPropertyDescriptor(holder, "constructor");
      if (descriptor === undefined || typeof descriptor.value !== "function" || native.isProxy(descriptor.value)) continue;
      const name = getOwnPropertyDescriptor(descriptor.value, "name");
      const prototype = getOwnPropertyDescriptor(descriptor.value, "prototype");
      if (name === undefined || typeof name.value !== "string" || name.value === "" || prototype === undefined) continue;
      for (let above = getPrototypeOf(object); above !== null; above = getPrototypeOf(above)) {
        if (above === prototype.value) return name.value;
        if (native.isProxy(above)) break;
      }
    }
    return null;
  };

  const prefixOf = (constructor, tag, fallback, size = "") => {
    if (constructor === null) {
      return tag !== "" && fallback !== tag
        ? `[${fallback}${size}: null prototype] [${tag}] `
        : `[${fallback}${size}: null prototype] `;
    }
    return tag !== "" && constructor !== tag ? `${constructor}${size} [${tag}] ` : `${constructor}${size} `;
  };

  const enumerableKeys = (object) => {
    const keys = ownKeys(object);
    const result = [];
    for (let i = 0; i < keys.length; i++) {
      const descriptor = getOwnPropertyDescriptor(object, keys[i]);
      if (descriptor !== undefined && descriptor.enumerable) result[result.length] = keys[i];
    }
    return result;
  };

  const isIndex = (key) => typeof key === "string" && `${key >>> 0}` === key && key >>> 0 !== 4294967295;

  const nonIndexKeys = (object, length) => {
    if (length > MAX_ARRAY_KEYS) return [];
    const keys = enumerableKeys(object);
    const named = [];
    for (let i = 0; i < keys.length; i++) {
      if (!isIndex(keys[i])) named[named.length] = keys[i];
    }
    return named;
  };

  const formatNumber = (value) => (is(value, -0) ? "-0" : `${value}`);

  const formatString = (state, text) => {
    let trailer = "";
    if (text.length > MAX_STRING) {
      trailer = more(text.length - MAX_STRING, "character");
      text = stringSlice(text, 0, MAX_STRING);
    }
    if (text.length > 16 && text.length > state.breakLength - state.indentation - 4) {
      const lines = [];
      let start = 0;
      for (let end; (end = p.indexOf(text, "\n", start)) !== -1 && end + 1 < text.length; start = end + 1) {
        lines[lines.length] = quote(stringSlice(text, start, end + 1));
      }
      lines[lines.length] = quote(stringSlice(text, start));
      return join(lines, ` +\n${repeat(" ", state.indentation + 2)}`) + trailer;
    }
    return quote(text) + trailer;
  };

  const formatPrimitive = (state, value) => {
    switch (typeof value) {
      case "string": return formatString(state, value);
      case "number": return formatNumber(value);
      case "bigint": return `${p.bigIntToString(value)}n`;
      case "symbol": return p.symbolToString(value);
      default: return `${value}`;
    }
  };

  const format = (state, value, depth) => {
    if ((typeof value !== "object" && typeof value !== "function") || value === null) {
      return formatPrimitive(state, value);
    }
    let wrapping = 0;
    let target = value;
    while (target && native.isProxy(target)) {
      target = native.proxyTarget(target);
      wrapping++;
    }
    // Of a callable proxy not even the target can be had.
    const text = target ? formatUnwrapped(state, target, depth) : typeof value === "function" ? "[Function]" : "<revoked>";
    return wrapping === 0 ? text : wrapping > 3
      ? `Proxy(... ${wrapping} times ${text})`
      : `${repeat("Proxy(", wrapping)}${text}${repeat(")", wrapping)}`;
  };

  const formatUnwrapped = (state, value, depth) => {
    for (let i = 0; i < state.seen.length; i++) {
      if (state.seen[i] === value) {
        let index = mapGet(state.circular, value);
        if (index === undefined) {
          index = p.mapSize(state.circular) + 1;
          mapSet(state.circular, value, index);
        }
        return `[Circular *${index}]`;
      }
    }
    return formatObject(state, value, depth);
  };

  // A property as `key: value`, or its value alone if `bare`.
  const formatProperty = (state, object, key, depth, bare) => {
    const descriptor = getOwnPropertyDescriptor(object, key);
    let text;
    if (descriptor === undefined) {
      text = "undefined";
    } else if (hasOwn(descriptor, "value")) {
      state.indentation += 2;
      text = format(state, descriptor.value, depth);
      state.indentation -= 2;
    } else if (descriptor.get !== undefined) {
      text = descriptor.set !== undefined ? "[Getter/Setter]" : "[Getter]";
    } else {
      text = descriptor.set !== undefined ? "[Setter]" : "undefined";
    }
    if (bare) return text;
    const name = typeof key === "symbol" ? p.symbolToString(key) : quoteKey(key);
    return descriptor !== undefined && !descriptor.enumerable ? `[${name}]: ${text}` : `${name}: ${text}`;
  };

  const formatArray = (state, array, depth) => {
    const output = [];
    const { length } = array;
    let index = 0;
    let keys;
    while (index < length && output.length < MAX_ITEMS) {
      if (hasOwn(array, index)) {
        output[output.length] = formatProperty(state, array, `${index}`, depth + 1, true);
        index++;
        continue;
      }
      if (keys === undefined) keys = ownKeys(array);
      let next = length;
      for (let i = 0; i < keys.length && isIndex(keys[i]); i++) {
        if (keys[i] >>> 0 > index) {
          next = keys[i] >>> 0;
          break;
        }
      }
      output[output.length] = `<${next - index} empty item${plural(next - index)}>`;
      index = next;
    }
    if (index < length) output[output.length] = more(length - index);
    return output;
  };

  const formatTypedArray = (state, array, length) => {
    const output = [];
    const shown = p.min(MAX_ITEMS, length);
    for (let i = 0; i < shown; i++) output[i] = formatPrimitive(state, array[i]);
    if (length > shown) output[shown] = more(length - shown);
    return output;
  };

  // Calls `add(format)` for the first MAX_ITEMS items of `visit`, with the indentation of entries.
  const formatEntries = (state, count, visit) => {
    const output = [];
    state.indentation += 2;
    visit((show) => {
      if (output.length < MAX_ITEMS) output[output.length] = show();
    });
    state.indentation -= 2;
    if (count > MAX_ITEMS) output[MAX_ITEMS] = more(count - MAX_ITEMS);
    return output;
  };

  const formatBytes = (buffer, length) => {
    const bytes = new p.Uint8Array(buffer, 0, p.min(MAX_BUFFER_BYTES, length));
    const output = [];
    for (let i = 0; i < p.min(MAX_BUFFER_BYTES, length); i++) {
      output[i] = p.padStart(p.numberToString(bytes[i], 16), 2, "0");
    }
    const rest = length - output.length;
    return `[Uint8Contents]: <${join(output, " ")}${rest > 0 ? ` ${more(rest, "byte")}` : ""}>`;
  };

  const formatFunction = (value, constructor, tag) => {
    const source = p.functionToString(value);
    const descriptor = getOwnPropertyDescriptor(value, "name");
    const name = descriptor !== undefined && typeof descriptor.value === "string" ? descriptor.value : "";
    const shownTag = tag !== "" && constructor !== tag ? ` [${tag}]` : "";
    if (p.startsWith(source, "class") && p.endsWith(source, "}") && !isInterface(value)) {
      const parent = getPrototypeOf(value);
      const parentName = parent === null || native.isProxy(parent) ? undefined : getOwnPropertyDescriptor(parent, "name");
      const inherited = parentName !== undefined && typeof parentName.value === "string" && parentName.value !== ""
        ? ` extends ${parentName.value}`
        : parent === null ? " extends null" : "";
      return `[class ${name === "" ? "(anonymous)" : name}${inherited}${
        constructor !== "Function" && constructor !== null ? ` [${constructor}]` : ""}${shownTag}]`;
    }
    const kind = mapGet(functionKinds, getPrototypeOf(value)) ?? "Function";
    const shownConstructor = constructor !== kind && constructor !== null && !isInterface(value) ? ` ${constructor}` : "";
    return `[${kind}${constructor === null ? " (null prototype)" : ""}${name === "" ? " (anonymous)" : `: ${name}`}]${
      shownConstructor}${tag === kind ? "" : shownTag}`;
  };

  // [header and stack, keys that it already shows]. The engine's stacks lack the header.
  const formatError = (state, error, constructor, keys) => {
    const name = lookUp(error, "name");
    const message = lookUp(error, "message");
    let title = typeof name === "string" && name !== "" ? name : "Error";
    if (constructor !== null && constructor !== "DOMException" && title === "Error") title = constructor;
    const header = typeof message === "string" && message !== "" ? `${title}: ${message}` : title;
    const own = getOwnPropertyDescriptor(error, "stack");
    const given = own === undefined ? lookUp(error, "stack") : own.value;
    let text = `[${header}]`;
    if (typeof given === "string" && given !== "") {
      const stack = shared.stack.ofUser(given);
      const first = p.trim(stack);
      text = first === "" ? `[${header}]` : p.startsWith(first, "at ") ? `${header}\n${stack}` : stack;
    }
    const kept = [];
    for (let i = 0; i < keys.length; i++) {
      const shown = keys[i] === "name" || keys[i] === "message" || keys[i] === "stack";
      if (!shown || !p.includes(text, `${lookUp(error, keys[i])}`)) kept[kept.length] = keys[i];
    }
    const hidden = ["cause", "errors"];
    for (let i = 0; i < hidden.length; i++) {
      const descriptor = getOwnPropertyDescriptor(error, hidden[i]);
      if (descriptor !== undefined && !descriptor.enumerable) kept[kept.length] = hidden[i];
    }
    if (state.indentation > 0) {
      text = join(p.split(text, "\n"), `\n${repeat(" ", state.indentation)}`);
    }
    return [text, kept];
  };

  const formatRegExp = (value) => {
    let flags = "";
    for (let i = 0; i < regExpFlags.length; i++) if (regExpFlags[i](value)) flags += "dgimsuvy"[i];
    return `/${regExpSource(value)}/${flags}`;
  };

  const formatBoxed = (state, value, kind, constructor, tag) => {
    const primitive = kind === "Number" ? p.numberValueOf(value)
      : kind === "String" ? p.stringValueOf(value)
      : kind === "Boolean" ? p.booleanValueOf(value)
      : kind === "BigInt" ? p.bigIntValueOf(value)
      : p.symbolValueOf(value);
    const named = constructor === null ? `${kind} (null prototype)` : kind !== constructor ? `${kind} (${constructor})` : kind;
    return `[${named}: ${formatPrimitive({ __proto__: null, breakLength: Infinity, indentation: 0 }, primitive)}]${
      tag !== "" && tag !== constructor ? ` [${tag}]` : ""}`;
  };

  const classify = (value) => {
    if (typeof value === "function") return "function";
    if (isArray(value)) return "array";
    if (isError(value)) return "error";
    if (p.typedArrayTag(value) !== undefined) return "typedArray";
    if (native.isPromise(value)) return "promise";
    for (let holder = getPrototypeOf(value); holder !== null && !native.isProxy(holder); holder = getPrototypeOf(holder)) {
      const kind = mapGet(kinds, holder);
      if (kind !== undefined) return verify(value, kind) ? kind : "object";
    }
    return "object";
  };

  // Whether `value` truly is of the kind that its prototypes promise.
  const verify = (value, kind) => {
    try {
      switch (kind) {
        case "Map": p.mapSize(value); return true;
        case "Set": p.setSize(value); return true;
        case "WeakMap": p.weakMapHas(value, value); return true;
        case "WeakSet": p.weakSetHas(value, value); return true;
        case "Date": p.dateGetTime(value); return true;
        case "RegExp": regExpSource(value); return true;
        case "error": domExceptionName(value); return true;
        case "ArrayBuffer": p.bufferByteLength(value); return true;
        case "SharedArrayBuffer": p.sharedByteLength(value); return true;
        case "DataView": p.dataViewBuffer(value); return true;
        case "Number": p.numberValueOf(value); return true;
        case "String": p.stringValueOf(value); return true;
        case "Boolean": p.booleanValueOf(value); return true;
        case "BigInt": p.bigIntValueOf(value); return true;
        case "Symbol": p.symbolValueOf(value); return true;
      }
    } catch {
      // An impostor.
    }
    return false;
  };

  // A proxy of a foreign object (a Python one) says itself what it is.
  const foreignText = (value) => {
    const holder = getPrototypeOf(value);
    if (holder === null || native.isProxy(holder)) return undefined;
    const name = constructorName(value);
    if (name === null || !p.startsWith(name, "PyProxy")) return undefined;
    try {
      return `${apply(value.toString, value, [])}`;
    } catch {
      return `[${name}]`;
    }
  };

  const formatObject = (state, value, depth) => {
    const foreign = foreignText(value);
    if (foreign !== undefined) return foreign;

    const constructor = constructorName(value);
    let tag = lookUp(value, symbolToStringTag);
    const ownTag = getOwnPropertyDescriptor(value, symbolToStringTag);
    if (typeof tag !== "string" || (ownTag !== undefined && ownTag.enumerable)) tag = "";

    // The tag of an interface says nothing new of the classes that extend it.
    if (tag !== "" && attributesOf(getPrototypeOf(value)) !== undefined) tag = "";

    const kind = classify(value);
    let keys = kind === "array" ? nonIndexKeys(value, value.length)
      : kind === "typedArray" ? nonIndexKeys(value, p.typedArrayLength(value))
      : kind === "String" ? nonIndexKeys(value, 0)
      : enumerableKeys(value);
    let base = "";
    let open = "{", close = "}";
    let layout = OBJECT;
    let entries = () => [];
    let empty = true;

    switch (kind) {
      case "array": {
        const prefix = constructor !== "Array" || tag !== "" ? prefixOf(constructor, tag, "Array", `(${value.length})`) : "";
        open = `${prefix}[`;
        close = "]";
        layout = ARRAY;
        if (value.length === 0 && keys.length === 0) return `${open}]`;
        entries = () => formatArray(state, value, depth);
        empty = false;
        break;
      }
      case "typedArray": {
        const length = p.typedArrayLength(value);
        const name = p.typedArrayTag(value);
        open = `${prefixOf(constructor, tag, name, `(${length})`)}[`;
        close = "]";
        layout = ARRAY;
        if (length === 0 && keys.length === 0) return `${open}]`;
        entries = () => formatTypedArray(state, value, length);
        empty = false;
        break;
      }
      case "Set": {
        const size = p.setSize(value);
        open = `${prefixOf(constructor, tag, "Set", `(${size})`)}{`;
        entries = () => formatEntries(state, size, (add) => p.setForEach(value, (item) => add(() => format(state, item, depth + 1))));
        empty = size === 0;
        break;
      }
      case "Map": {
        const size = p.mapSize(value);
        open = `${prefixOf(constructor, tag, "Map", `(${size})`)}{`;
        entries = () => formatEntries(state, size, (add) => p.mapForEach(value, (item, key) =>
          add(() => `${format(state, key, depth + 1)} => ${format(state, item, depth + 1)}`)));
        empty = size === 0;
        break;
      }
      case "function":
        base = formatFunction(value, constructor, tag);
        if (keys.length === 0) return base;
        break;
      case "RegExp":
        base = formatRegExp(value);
        if (keys.length === 0) return base;
        break;
      case "Date":
        base = is(p.dateGetTime(value), NaN) ? "Invalid Date" : p.dateToISOString(value);
        if (keys.length === 0) return base;
        break;
      case "error":
        ({ 0: base, 1: keys } = formatError(state, value, constructor, keys));
        if (keys.length === 0) return base;
        break;
      case "ArrayBuffer":
      case "SharedArrayBuffer": {
        const length = kind === "ArrayBuffer" ? p.bufferByteLength(value) : p.sharedByteLength(value);
        open = `${prefixOf(constructor, tag, kind)}{`;
        entries = () => [formatBytes(value, length), `byteLength: ${length}`];
        empty = false;
        break;
      }
      case "DataView":
        open = `${prefixOf(constructor, tag, kind)}{`;
        entries = () => {
          state.indentation += 2;
          const buffer = format(state, p.dataViewBuffer(value), depth + 1);
          state.indentation -= 2;
          return [`byteLength: ${p.dataViewByteLength(value)}`, `byteOffset: ${p.dataViewByteOffset(value)}`, `buffer: ${buffer}`];
        };
        empty = false;
        break;
      case "promise":
        open = `${prefixOf(constructor, tag, "Promise")}{`;
        entries = () => {
          const { 0: status, 1: result } = native.promiseState(value);
          if (status === 0) return ["<pending>"];
          state.indentation += 2;
          const text = format(state, result, depth + 1);
          state.indentation -= 2;
          return [status === 2 ? `<rejected> ${text}` : text];
        };
        empty = false;
        break;
      case "WeakMap":
      case "WeakSet":
        open = `${prefixOf(constructor, tag, kind)}{`;
        entries = () => ["<items unknown>"];
        empty = false;
        break;
      case "Number": case "String": case "Boolean": case "BigInt": case "Symbol":
        base = formatBoxed(state, value, kind, constructor, tag);
        if (keys.length === 0) return base;
        break;
      default: {
        const pairs = pairsOf(value);
        const attributes = pairs === undefined ? attributesOf(getPrototypeOf(value)) : undefined;
        if (pairs !== undefined) {
          const count = pairs.length;
          open = `${prefixOf(constructor, tag, "Object", `(${count})`)}{`;
          entries = () => formatEntries(state, count, (add) => {
            for (let i = 0; i < count; i++) {
              add(() => `${format(state, pairs[i][0], depth + 1)} => ${format(state, pairs[i][1], depth + 1)}`);
            }
          });
          empty = count === 0;
        } else if (attributes !== undefined && attributes.length > 0) {
          open = `${prefixOf(constructor, tag, "Object")}{`;
          entries = () => formatAttributes(state, value, attributes, depth);
          empty = false;
        } else if (tag === "" && objectToString(value) === "[object Arguments]") {
          open = "[Arguments] {";
        } else if (constructor !== "Object" || tag !== "") {
          open = `${prefixOf(constructor, tag, "Object")}{`;
        }
        break;
      }
    }
    if (base === "" && keys.length === 0 && empty) return `${open}${close}`;

    if (depth > state.depth) {
      return kind === "array" ? "[Array]" : `[${stringSlice(prefixOf(constructor, tag, "Object"), 0, -1)}]`;
    }
    state.seen[state.seen.length] = value;
    state.currentDepth = depth;
    let output = entries();
    for (let i = 0; i < keys.length; i++) output[output.length] = formatProperty(state, value, keys[i], depth + 1, false);
    state.seen.length--;

    const index = mapGet(state.circular, value);
    if (index !== undefined) {
      if (base === "") open = `<ref *${index}> ${open}`;
      else base = `<ref *${index}> ${base}`;
    }
    const count = output.length;
    if (layout === ARRAY && count > 6) output = groupElements(state, output, kind === "typedArray" || isNumeric(value), value.length > MAX_ITEMS);
    return reduceToLines(state, output, base, open, close, depth, count);
  };

  const isNumeric = (array) => {
    for (let i = 0; i < array.length && i < MAX_ITEMS; i++) {
      const descriptor = getOwnPropertyDescriptor(array, i);
      if (descriptor === undefined || (typeof descriptor.value !== "number" && typeof descriptor.value !== "bigint")) return false;
    }
    return true;
  };

  // What an interface of the platform shows: its attributes, in the order of their declaration.
  const formatAttributes = (state, value, attributes, depth) => {
    const output = [];
    for (let i = 0; i < attributes.length; i++) {
      const { 0: name, 1: get } = attributes[i];
      let attribute;
      try {
        attribute = get(value);
      } catch {
        // The prototype itself, or an attribute that does not apply.
        continue;
      }
      state.indentation += 2;
      output[output.length] = `${name}: ${format(state, attribute, depth + 1)}`;
      state.indentation -= 2;
    }
    return output;
  };

  const inspect = (value, depth = 2, indentation = 0) => {
    const state = {
      __proto__: null, seen: [], circular: new p.Map(), indentation: 0, currentDepth: 0, depth,
      breakLength: p.max(80 - indentation, 20),
    };
    try {
      return format(state, value, 0);
    } catch (error) {
      return `[cannot be shown: ${lookUp(error, "message")}]`;
    }
  };

  shared.inspect = inspect;
  shared.isMap = (value) => verify(value, "Map");
  shared.isSet = (value) => verify(value, "Set");
  shared.formatNumber = formatNumber;
  shared.lookUp = lookUp;
})
