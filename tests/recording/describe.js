// Turns an outcome into plain JSON, alike in workerd and in QuickJS. An expression: a function.
(function () {
  function text(string) {
    return string.length <= 200 ? string : { length: string.length, start: string.slice(0, 40) };
  }
  function describe(value) {
    if (value === undefined) return { undefined: true };
    if (value === null || typeof value === "boolean" || typeof value === "number") return value;
    if (typeof value === "string") return text(value);
    if (value instanceof ArrayBuffer) return { ArrayBuffer: Array.from(new Uint8Array(value)).slice(0, 40) };
    if (Array.isArray(value)) {
      if (value.length <= 20) return value.map(describe);
      return { length: value.length, first: describe(value[0]), last: describe(value[value.length - 1]) };
    }
    if (value instanceof Map) return { Map: Array.from(value, (pair) => pair.map(describe)) };
    if (value instanceof Error) return { name: value.name, message: text(value.message) };
    const prototype = Object.getPrototypeOf(value);
    if (prototype === Object.prototype) {
      const described = {};
      for (const key of Object.keys(value)) described[key] = describe(value[key]);
      return described;
    }
    const name = value.constructor.name;
    if (value instanceof Date) return { Date: value.getTime() };
    if (name !== "HeadResult" && name !== "GetResult") return { class: name };
    // An object of R2. What differs from one time to the next is left out, and what the reference leaves empty.
    const object = { class: name };
    for (const key of ["key", "size", "etag", "httpEtag", "range", "httpMetadata", "customMetadata", "ssecKeyMd5"]) {
      object[key] = describe(value[key]);
    }
    object.checksums = describe(value.checksums.toJSON());
    return object;
  }
  // `body` may throw, or return a promise or a plain value.
  return async function outcome(body) {
    let returned;
    try {
      returned = body();
    } catch (error) {
      return { thrown: describe(error) };
    }
    if (!(returned instanceof Promise)) return { returned: describe(returned) };
    try {
      return { resolved: describe(await returned) };
    } catch (error) {
      return { rejected: describe(error) };
    }
  };
})();
