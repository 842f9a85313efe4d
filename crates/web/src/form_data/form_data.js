// FormData: https://xhr.spec.whatwg.org/#interface-formdata
(function (native, shared) {
  "use strict";

  const { TypeError } = shared.primordials;
  const { expose, makeIterable, requireArguments, usv } = shared.webidl;
  const { isBlob, make, toFile } = shared.fileApi;
  const { setEntry } = shared.searchParams;

  const INTERNAL = Symbol("internal");

  // The value of an entry: a string or a File. Upstream takes `undefined` for no file name, as Python hands it on.
  const entryValue = (value, fileName, operation) => {
    if (isBlob(value)) return toFile(value, fileName === undefined ? undefined : usv(fileName));
    if (fileName !== undefined) {
      throw new TypeError(`Failed to execute '${operation}' on 'FormData': parameter 2 is not of type 'Blob'.`);
    }
    return usv(value);
  };

  let listOf;

  class FormData {
    // Names and values, alternating.
    #list = [];

    static {
      listOf = (value) => (#list in value ? value.#list : undefined);
    }

    constructor(form = undefined, submitter = undefined) {
      if (form === INTERNAL) this.#list = submitter;
      else if (form !== undefined) {
        throw new TypeError("Failed to construct 'FormData': there are no HTML forms here, so it takes no arguments.");
      }
    }

    append(name, value, fileName = undefined) {
      const list = this.#list;
      requireArguments(arguments.length, 2, "append' on 'FormData", arguments.length === 0 ? "string" : "File or Blob or string");
      const newName = usv(name);
      const newValue = entryValue(value, fileName, "append");
      list[list.length] = newName;
      list[list.length] = newValue;
    }

    delete(name) {
      const list = this.#list;
      requireArguments(arguments.length, 1, "delete' on 'FormData");
      const wanted = usv(name);
      let kept = 0;
      for (let i = 0; i < list.length; i += 2) {
        if (list[i] === wanted) continue;
        list[kept++] = list[i];
        list[kept++] = list[i + 1];
      }
      list.length = kept;
    }

    get(name) {
      const list = this.#list;
      requireArguments(arguments.length, 1, "get' on 'FormData");
      const wanted = usv(name);
      for (let i = 0; i < list.length; i += 2) {
        if (list[i] === wanted) return list[i + 1];
      }
      return null;
    }

    getAll(name) {
      const list = this.#list;
      requireArguments(arguments.length, 1, "getAll' on 'FormData");
      const wanted = usv(name);
      const values = [];
      for (let i = 0; i < list.length; i += 2) {
        if (list[i] === wanted) values[values.length] = list[i + 1];
      }
      return values;
    }

    has(name) {
      const list = this.#list;
      requireArguments(arguments.length, 1, "has' on 'FormData");
      const wanted = usv(name);
      for (let i = 0; i < list.length; i += 2) {
        if (list[i] === wanted) return true;
      }
      return false;
    }

    set(name, value, fileName = undefined) {
      const list = this.#list;
      requireArguments(arguments.length, 2, "set' on 'FormData", arguments.length === 0 ? "string" : "File or Blob or string");
      const newName = usv(name);
      setEntry(list, newName, entryValue(value, fileName, "set"));
    }

    static {
      makeIterable(FormData, "FormData", (data, index) => {
        const list = data.#list;
        return 2 * index < list.length ? [list[2 * index], list[2 * index + 1]] : undefined;
      });
    }
  }

  expose(FormData, "FormData");

  shared.formData = {
    __proto__: null,
    // Names and values of a FormData, alternating; null for other objects.
    entries: (value) => listOf(value) ?? null,
    // A FormData of names and values.
    make: (list) => new FormData(INTERNAL, list),
  };
})
