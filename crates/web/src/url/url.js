// URL: https://url.spec.whatwg.org/#url-class
(function (native, shared) {
  "use strict";

  const { TypeError, stringSlice } = shared.primordials;
  const { expose, requireArguments, requireConstructorArguments, usv } = shared.webidl;
  const { URLSearchParams, attach, replace } = shared.searchParams;

  // Passed instead of a URL, says that the second argument is a record from Rust.
  const PARSED = {};

  // Indices into a record; see `record` in mod.rs.
  const HREF = 0, PROTOCOL = 1, USERNAME = 2, PASSWORD = 3, HOST = 4, HOSTNAME = 5, PORT = 6, PATHNAME = 7, SEARCH = 8,
    HASH = 9;

  class URL {
    #record;
    #searchParams;

    constructor(url, base = undefined) {
      if (url === PARSED) {
        this.#record = base;
        return;
      }
      requireConstructorArguments(arguments.length, 1, "URL", "USVString");
      const input = usv(url);
      const record = native.parse(input, base === undefined ? undefined : usv(base));
      if (!record) throw new TypeError("Invalid URL string.");
      this.#record = record;
    }

    static canParse(url, base = undefined) {
      requireArguments(arguments.length, 1, "canParse' on 'URL", "USVString");
      return native.canParse(usv(url), base === undefined ? undefined : usv(base));
    }

    static parse(url, base = undefined) {
      requireArguments(arguments.length, 1, "parse' on 'URL", "USVString");
      const record = native.parse(usv(url), base === undefined ? undefined : usv(base));
      return record ? new URL(PARSED, record) : null;
    }

    #set(part, value) {
      const record = native.set(this.#record[HREF], part, usv(value));
      if (record) this.#record = record;
    }

    #refreshParams() {
      if (this.#searchParams !== undefined) replace(this.#searchParams, stringSlice(this.search, 1));
    }

    get origin() {
      const record = this.#record;
      const protocol = record[PROTOCOL];
      if (protocol === "https:" || protocol === "http:") {
        return protocol + "//" + record[HOST];
      }
      return native.origin(record[HREF]);
    }

    get href() {
      return this.#record[HREF];
    }
    set href(value) {
      this.#record;
      const record = native.parse(usv(value), undefined);
      if (!record) {
        throw new TypeError("Failed to set the 'href' property on 'URL': the provided value is not of type 'valid URL string'.");
      }
      this.#record = record;
      this.#refreshParams();
    }

    get protocol() {
      return this.#record[PROTOCOL];
    }
    set protocol(value) {
      this.#set("protocol", value);
    }

    get username() {
      return this.#record[USERNAME];
    }
    set username(value) {
      this.#set("username", value);
    }

    get password() {
      return this.#record[PASSWORD];
    }
    set password(value) {
      this.#set("password", value);
    }

    get host() {
      return this.#record[HOST];
    }
    set host(value) {
      this.#set("host", value);
    }

    get hostname() {
      return this.#record[HOSTNAME];
    }
    set hostname(value) {
      this.#set("hostname", value);
    }

    get port() {
      return this.#record[PORT];
    }
    set port(value) {
      this.#set("port", value);
    }

    get pathname() {
      return this.#record[PATHNAME];
    }
    set pathname(value) {
      this.#set("pathname", value);
    }

    get search() {
      return this.#record[SEARCH];
    }
    set search(value) {
      this.#set("search", value);
      this.#refreshParams();
    }

    get hash() {
      return this.#record[HASH];
    }
    set hash(value) {
      this.#set("hash", value);
    }

    get searchParams() {
      let params = this.#searchParams;
      if (params === undefined) {
        params = new URLSearchParams(this.search);
        attach(params, (query) => this.#set("search", query));
        this.#searchParams = params;
      }
      return params;
    }

    toJSON() {
      return this.#record[HREF];
    }

    toString() {
      return this.#record[HREF];
    }
  }

  expose(URL, "URL");
  shared.URL = URL;
})
