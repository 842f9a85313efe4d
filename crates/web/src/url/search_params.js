// URLSearchParams: https://url.spec.whatwg.org/#interface-urlsearchparams
(function (native, shared) {
  "use strict";

  const {
    TypeError, apply, charCodeAt, getOwnPropertyDescriptor, ownKeys, sort, stringSlice, symbolIterator,
  } = shared.primordials;
  const { expose, makeIterable, requireArguments, usv } = shared.webidl;

  // A live object's list of names and values, alternating; how url.js reaches into it.
  const internals = { __proto__: null };

  const isObject = (value) => (typeof value === "object" && value !== null) || typeof value === "function";

  const withoutQuestionMark = (text) => (charCodeAt(text, 0) === 63 ? stringSlice(text, 1) : text);

  // Calls `take` with every item of an iterable; closes the iterator if `take` throws.
  const iterate = (iterable, method, take) => {
    const iterator = apply(method, iterable, []);
    if (!isObject(iterator)) throw new TypeError("The iterator of the sequence is not an object.");
    const { next } = iterator;
    for (;;) {
      const step = apply(next, iterator, []);
      if (!isObject(step)) throw new TypeError("An iterator result is not an object.");
      if (step.done) return;
      const { value } = step;
      let finished = false;
      try {
        take(value);
        finished = true;
      } finally {
        if (!finished) {
          try {
            const close = iterator.return;
            if (close !== undefined && close !== null) apply(close, iterator, []);
          } catch {
            // The exception of `take` is the one to be seen.
          }
        }
      }
    }
  };

  const NOT_A_PAIR = "Invalid URL search params sequence.";

  const listFromSequence = (sequence, method) => {
    const list = [];
    iterate(sequence, method, (item) => {
      const itemMethod = isObject(item) ? item[symbolIterator] : undefined;
      if (typeof itemMethod !== "function") {
        throw new TypeError("Incorrect type: the provided value is not of type 'Sequence'.");
      }
      let count = 0;
      iterate(item, itemMethod, (part) => {
        if (count++ < 2) list[list.length] = usv(part);
      });
      if (count !== 2) throw new TypeError(NOT_A_PAIR);
    });
    return list;
  };

  const listFromRecord = (record) => {
    const list = [];
    const positions = { __proto__: null };
    const keys = ownKeys(record);
    for (let i = 0; i < keys.length; i++) {
      const descriptor = getOwnPropertyDescriptor(record, keys[i]);
      if (descriptor === undefined || !descriptor.enumerable) continue;
      const name = usv(keys[i]);
      const value = usv(record[keys[i]]);
      // Two names can become one when their lone surrogates are replaced.
      if (name in positions) {
        list[positions[name] + 1] = value;
      } else {
        positions[name] = list.length;
        list[list.length] = name;
        list[list.length] = value;
      }
    }
    return list;
  };

  // Gives the first entry of a name this value and drops the others, in a list of names and values, alternating.
  const setEntry = (list, name, value) => {
    let found = false;
    let kept = 0;
    for (let i = 0; i < list.length; i += 2) {
      let current = list[i + 1];
      if (list[i] === name) {
        if (found) continue;
        found = true;
        current = value;
      }
      list[kept++] = list[i];
      list[kept++] = current;
    }
    list.length = kept;
    if (!found) {
      list[kept] = name;
      list[kept + 1] = value;
    }
  };

  class URLSearchParams {
    #list = [];
    // What to call with the new serialisation after a change; set for the parameters of a URL.
    #changed;

    static {
      internals.attach = (params, changed) => { params.#changed = changed; };
      internals.replace = (params, query) => { params.#list = native.parse(query); };
      internals.serialize = (params) => native.serialize(params.#list);
    }

    constructor(init = "") {
      if (isObject(init)) {
        const method = init[symbolIterator];
        if (method === undefined || method === null) {
          this.#list = listFromRecord(init);
        } else {
          if (typeof method !== "function") throw new TypeError("The given object is not iterable.");
          this.#list = listFromSequence(init, method);
        }
      } else {
        this.#list = native.parse(withoutQuestionMark(usv(init)));
      }
    }

    #update() {
      if (this.#changed !== undefined) this.#changed(native.serialize(this.#list));
    }

    get size() {
      return this.#list.length / 2;
    }

    append(name, value) {
      const list = this.#list;
      requireArguments(arguments.length, 2, "append' on 'URLSearchParams", "USVString");
      const newName = usv(name);
      const newValue = usv(value);
      list[list.length] = newName;
      list[list.length] = newValue;
      this.#update();
    }

    delete(name, value = undefined) {
      const list = this.#list;
      requireArguments(arguments.length, 1, "delete' on 'URLSearchParams", "USVString");
      const wanted = usv(name);
      const wantedValue = value === undefined ? undefined : usv(value);
      let kept = 0;
      for (let i = 0; i < list.length; i += 2) {
        if (list[i] === wanted && (wantedValue === undefined || list[i + 1] === wantedValue)) continue;
        list[kept++] = list[i];
        list[kept++] = list[i + 1];
      }
      list.length = kept;
      this.#update();
    }

    get(name) {
      const list = this.#list;
      requireArguments(arguments.length, 1, "get' on 'URLSearchParams", "USVString");
      const wanted = usv(name);
      for (let i = 0; i < list.length; i += 2) {
        if (list[i] === wanted) return list[i + 1];
      }
      return null;
    }

    getAll(name) {
      const list = this.#list;
      requireArguments(arguments.length, 1, "getAll' on 'URLSearchParams", "USVString");
      const wanted = usv(name);
      const values = [];
      for (let i = 0; i < list.length; i += 2) {
        if (list[i] === wanted) values[values.length] = list[i + 1];
      }
      return values;
    }

    has(name, value = undefined) {
      const list = this.#list;
      requireArguments(arguments.length, 1, "has' on 'URLSearchParams", "USVString");
      const wanted = usv(name);
      const wantedValue = value === undefined ? undefined : usv(value);
      for (let i = 0; i < list.length; i += 2) {
        if (list[i] === wanted && (wantedValue === undefined || list[i + 1] === wantedValue)) return true;
      }
      return false;
    }

    set(name, value) {
      const list = this.#list;
      requireArguments(arguments.length, 2, "set' on 'URLSearchParams", "USVString");
      const newName = usv(name);
      setEntry(list, newName, usv(value));
      this.#update();
    }

    sort() {
      const list = this.#list;
      const pairs = [];
      for (let i = 0; i < list.length; i += 2) pairs[pairs.length] = [list[i], list[i + 1]];
      // Strings compare by UTF-16 code units, and the sort is stable.
      sort(pairs, (a, b) => (a[0] < b[0] ? -1 : a[0] > b[0] ? 1 : 0));
      for (let i = 0; i < pairs.length; i++) {
        list[2 * i] = pairs[i][0];
        list[2 * i + 1] = pairs[i][1];
      }
      this.#update();
    }

    toString() {
      return native.serialize(this.#list);
    }

    static {
      makeIterable(URLSearchParams, "URLSearchParams", (params, index) => {
        const list = params.#list;
        return 2 * index < list.length ? [list[2 * index], list[2 * index + 1]] : undefined;
      });
    }
  }

  expose(URLSearchParams, "URLSearchParams");
  shared.searchParams = internals;
  internals.URLSearchParams = URLSearchParams;
  internals.setEntry = setEntry;
})
