// Blob and File: https://w3c.github.io/FileAPI/
(function (native, shared) {
  "use strict";

  const {
    BigInt, Number, Promise, TypeError, asIntN, dateNow, floor, symbolIterator, trunc, uncurryThis,
  } = shared.primordials;
  const { bytes, dictionary, expose, requireConstructorArguments, sequence, usv } = shared.webidl;
  const promiseResolve = uncurryThis(Promise.resolve);
  const promiseReject = uncurryThis(Promise.reject);

  // Given this token, a constructor makes an object of what it is given.
  const INTERNAL = Symbol("internal");
  const isObject = (value) => (typeof value === "object" && value !== null) || typeof value === "function";

  // The parts that an iterable yields, converted in turn: strings, buffers and the data of blobs. `buffers` gets
  // the indices of the buffers.
  const partsOf = (iterable, name, buffers) => {
    const method = isObject(iterable) ? iterable[symbolIterator] : undefined;
    if (method === undefined || method === null) {
      throw new TypeError(`Failed to construct '${name}': constructor parameter 1 is not of type 'Array'.`);
    }
    return sequence(iterable, method, (value, index) => {
      let part;
      if (isObject(value)) {
        part = dataOf(value);
        if (part === undefined && bytes(value) !== undefined) {
          part = value;
          buffers[buffers.length] = index;
        }
      }
      return part ?? usv(value);
    });
  };

  // The bytes of all parts. Buffers are read only now, after all conversions.
  const join = (parts, buffers, endings) => {
    for (let i = 0; i < buffers.length; i++) parts[buffers[i]] = bytes(parts[buffers[i]]);
    return native.join(parts, endings === "native");
  };

  const readEndings = (options) => {
    const { endings } = options;
    if (endings === undefined) return "transparent";
    const mode = `${endings}`;
    if (mode !== "transparent" && mode !== "native") {
      throw new TypeError(`The provided value '${mode}' is not a valid enum value of type EndingType.`);
    }
    return mode;
  };

  const readType = (options) => {
    const { type } = options;
    return type === undefined ? "" : `${type}`;
  };

  // `long long`, as the Number it is read back as.
  const longLong = (value) => {
    const number = trunc(+value);
    return number - number === 0 ? Number(asIntN(64, BigInt(number))) : 0;
  };

  // `[Clamp] long long`, within ±2^53: rounded to the nearest, halves to the even one.
  const clamp = (value) => {
    const number = +value;
    if (!(number > -9007199254740991)) return number !== number ? 0 : -9007199254740991;
    if (number >= 9007199254740991) return 9007199254740991;
    const below = floor(number), part = number - below;
    return (part < 0.5 || (part === 0.5 && below % 2 === 0) ? below : below + 1) + 0;
  };

  const position = (value, size, missing) => {
    if (value === undefined) return missing;
    const number = clamp(value);
    if (number < 0) return number + size < 0 ? 0 : number + size;
    return number > size ? size : number;
  };

  const settled = (f) => {
    try {
      return promiseResolve(Promise, f());
    } catch (error) {
      return promiseReject(Promise, error);
    }
  };

  let dataOf, typeOf, fileOf;

  class Blob {
    #data;
    #type;

    static {
      dataOf = (value) => (#data in value ? value.#data : undefined);
      typeOf = (blob) => blob.#type;
    }

    constructor(blobParts = undefined, options = undefined) {
      if (blobParts === INTERNAL) {
        this.#data = options.data;
        this.#type = options.type;
        return;
      }
      const buffers = [];
      const parts = blobParts === undefined ? [] : partsOf(blobParts, "Blob", buffers);
      const bag = dictionary(options, "The options of a Blob");
      const endings = readEndings(bag);
      this.#type = native.mediaType(readType(bag));
      this.#data = join(parts, buffers, endings);
    }

    get size() { return native.size(this.#data); }
    get type() { return this.#type; }

    slice(start = undefined, end = undefined, contentType = undefined) {
      const data = this.#data;
      const size = native.size(data);
      const from = position(start, size, 0);
      const to = position(end, size, size);
      const type = contentType === undefined ? "" : native.mediaType(`${contentType}`);
      return new Blob(INTERNAL, { data: native.slice(data, from, to < from ? from : to), type });
    }

    stream() { return native.stream(this.#data); }
    text() { return settled(() => native.text(this.#data)); }
    arrayBuffer() { return settled(() => native.arrayBuffer(this.#data)); }
    bytes() { return settled(() => native.bytes(this.#data)); }
  }

  class File extends Blob {
    #name;
    #lastModified;

    static {
      fileOf = (value) => (#name in value ? [value.#name, value.#lastModified] : undefined);
    }

    constructor(fileBits, fileName, options = undefined) {
      if (fileBits === INTERNAL) {
        super(INTERNAL, fileName);
        this.#name = fileName.name;
        this.#lastModified = fileName.lastModified;
        return;
      }
      requireConstructorArguments(arguments.length, 2, "File", arguments.length === 0 ? "Array" : "string");
      const buffers = [];
      const parts = partsOf(fileBits, "File", buffers);
      const name = usv(fileName);
      const bag = dictionary(options, "The options of a File");
      const endings = readEndings(bag);
      const type = native.mediaType(readType(bag));
      const { lastModified } = bag;
      const modified = lastModified === undefined ? dateNow() : longLong(lastModified);
      super(INTERNAL, { data: join(parts, buffers, endings), type });
      this.#name = name;
      this.#lastModified = modified;
    }

    get name() { return this.#name; }
    get lastModified() { return this.#lastModified; }
  }

  expose(Blob, "Blob");
  expose(File, "File");

  const make = (data, type, name = undefined, lastModified = dateNow()) => (name === undefined
    ? new Blob(INTERNAL, { data, type })
    : new File(INTERNAL, { data, type, name, lastModified }));

  shared.fileApi = {
    __proto__: null,
    make,
    // `[data, type, name, lastModified]` of a blob, the latter two null if it is no file; null for other objects.
    takeApart(value) {
      const data = dataOf(value);
      if (data === undefined) return null;
      const file = fileOf(value);
      return file === undefined ? [data, typeOf(value), null, null] : [data, typeOf(value), file[0], file[1]];
    },
    // The data of a blob; undefined for other objects.
    blobData: (value) => (isObject(value) ? dataOf(value) : undefined),
    isBlob: (value) => isObject(value) && dataOf(value) !== undefined,
    // The file itself, or a new one of the same bytes if `value` is a mere blob or is to have another name.
    toFile(value, name) {
      const file = fileOf(value);
      if (name === undefined && file !== undefined) return value;
      return make(dataOf(value), typeOf(value), name ?? "blob", file?.[1]);
    },
  };
})
