// `D1Database` and its kin: https://developers.cloudflare.com/d1/worker-api/
//
// What is asked and how answers are shaped is here; values cross in `d1.rs`. The answer to the script is a function that
// makes a database of its `query`: a function of texts, lists of parameters, whether a bookmark is wanted, and whether
// rows are to be lists; it promises results and bookmark.
(function (native, shared) {
  "use strict";

  const {
    Error, TypeError, Uint8Array, hasOwn, isArray, isView, split, startsWith, trim, typedArrayTag,
  } = shared.primordials;
  const { tag } = shared.webidl;

  const INTERNAL = {};
  const FIRST_PRIMARY = "first-primary";
  const FIRST_UNCONSTRAINED = "first-unconstrained";

  const failure = (kind, message) => new Error(`${kind}: ${message}`, { cause: new Error(message) });

  const requireInternal = (key) => {
    if (key !== INTERNAL) throw new TypeError("Illegal constructor");
  };

  const isNothing = (value) => value === undefined || value === null;

  // --- parameters ---

  const fromNumbers = (list) => {
    const { length } = list;
    const bytes = new Uint8Array(length);
    for (let i = 0; i < length; i++) {
      const number = list[i];
      if (typeof number !== "number" || !(number >= 0 && number < 256)) return undefined;
      bytes[i] = number;
    }
    return bytes;
  };

  // A copy of the bytes that an object stands for; undefined if it stands for none.
  const bytesOf = (value) => {
    if (isArray(value)) return fromNumbers(value);
    if (isView(value)) {
      const kind = typedArrayTag(value);
      // One byte for each element, whatever its size.
      if (kind !== undefined && kind !== "Uint8Array") return startsWith(kind, "Big") ? undefined : new Uint8Array(value);
    }
    return native.copy(value);
  };

  const parameter = (value) => {
    switch (typeof value) {
      case "number":
      case "string":
        return value;
      case "boolean":
        return value ? 1 : 0;
      case "object": {
        if (value === null) return null;
        const bytes = bytesOf(value);
        if (bytes !== undefined) return bytes;
      }
    }
    throw failure("D1_TYPE_ERROR", `Type '${typeof value}' not supported for value '${value}'`);
  };

  // --- answers ---

  // The only function on the way that waits: each further one costs three jobs of the engine.
  const send = async (session, texts, lists, isRaw, isOne, kind, explain) => {
    let answer;
    try {
      answer = await session.query(texts, lists, session.wantsBookmark, isRaw);
    } catch (error) {
      throw failure(kind, explain === undefined ? error.message : explain(error.message));
    }
    if (session.wantsBookmark) session.saw(answer[1]);
    return isOne ? answer[0][0] : answer[0];
  };

  const sendOne = (session, statement, isRaw) =>
    send(session, [statement.statement], [statement.params], isRaw, true, "D1_ERROR");

  const sendBatch = (session, statements) => {
    if (!isArray(statements)) throw new TypeError("batch() takes a list of prepared statements");
    const texts = [], lists = [];
    for (let i = 0; i < statements.length; i++) {
      if (!D1PreparedStatement.is(statements[i])) {
        throw new TypeError(`batch() takes a list of prepared statements, but item ${i} is none`);
      }
      texts[i] = statements[i].statement;
      lists[i] = statements[i].params;
    }
    return send(session, texts, lists, false, false, "D1_ERROR");
  };

  // What statements run in: how to ask, and what was seen last.
  class Session {
    constructor(query, constraint) {
      this.query = query;
      this.wantsBookmark = constraint !== undefined;
      this.constraint = constraint;
    }

    get bookmark() {
      const { constraint } = this;
      return constraint === FIRST_PRIMARY || constraint === FIRST_UNCONSTRAINED ? null : constraint;
    }

    saw(bookmark) {
      const { bookmark: last } = this;
      if (last === null || last < bookmark) this.constraint = bookmark;
    }
  }

  // --- classes ---

  class D1PreparedStatement {
    #session;

    constructor(key, session, statement, params) {
      requireInternal(key);
      this.#session = session;
      this.statement = statement;
      this.params = params;
    }

    static is(value) {
      return typeof value === "object" && value !== null && #session in value;
    }

    bind(...values) {
      const params = [];
      for (let i = 0; i < values.length; i++) params[i] = parameter(values[i]);
      return new D1PreparedStatement(INTERNAL, this.#session, this.statement, params);
    }

    async first(column) {
      const { results } = await sendOne(this.#session, this, false);
      if (results.length === 0) return null;
      const row = results[0];
      if (isNothing(column)) return row;
      if (hasOwn(row, column)) return row[column];
      throw new Error(`D1_COLUMN_NOTFOUND: Column not found (${column})`, { cause: new Error("Column not found") });
    }

    run() {
      return sendOne(this.#session, this, false);
    }

    all() {
      return sendOne(this.#session, this, false);
    }

    async raw(options) {
      const { results } = await sendOne(this.#session, this, true);
      if (!isNothing(options) && options.columnNames) {
        const rows = [results.columns];
        for (let i = 0; i < results.rows.length; i++) rows[i + 1] = results.rows[i];
        return rows;
      }
      return results.rows;
    }
  }

  const statementOf = (session, sql) => new D1PreparedStatement(INTERNAL, session, sql, []);

  class D1DatabaseSession {
    #session;

    constructor(key, session) {
      requireInternal(key);
      this.#session = session;
    }

    prepare(sql) {
      return statementOf(this.#session, sql);
    }

    async batch(statements) {
      return sendBatch(this.#session, statements);
    }

    getBookmark() {
      return this.#session.bookmark;
    }
  }

  class D1Database {
    #session;

    constructor(key, session) {
      requireInternal(key);
      this.#session = session;
    }

    prepare(sql) {
      return statementOf(this.#session, sql);
    }

    async batch(statements) {
      return sendBatch(this.#session, statements);
    }

    async exec(sql) {
      if (typeof sql !== "string") throw new TypeError("exec() takes a string of SQL statements, one per line");
      const lines = split(trim(sql), "\n");
      const lists = [];
      for (let i = 0; i < lines.length; i++) lists[i] = [];
      // Upstream names the first line, whichever it was.
      const explain = (message) => `Error in line 1: ${lines[0]}: ${message}`;
      const results = await send(this.#session, lines, lists, true, false, "D1_EXEC_ERROR", explain);
      let duration = 0;
      for (let i = 0; i < results.length; i++) duration += results[i].meta.duration;
      return { count: results.length, duration };
    }

    withSession(constraint) {
      if (isNothing(constraint)) constraint = "";
      if (typeof constraint !== "string") throw new TypeError("withSession() takes a constraint or a bookmark, which are strings");
      const query = this.#session.query;
      return new D1DatabaseSession(INTERNAL, new Session(query, trim(constraint) || FIRST_UNCONSTRAINED));
    }

    // Only databases of upstream's first test had it.
    async dump() {
      throw failure("D1_DUMP_ERROR", "Status + 404");
    }
  }

  tag(D1Database.prototype, "D1Database");
  tag(D1DatabaseSession.prototype, "D1DatabaseSession");
  tag(D1PreparedStatement.prototype, "D1PreparedStatement");

  return (query) => new D1Database(INTERNAL, new Session(query, undefined));
})
