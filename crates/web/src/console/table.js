// console.table, in the box drawing of Node.
(function (native, shared) {
  "use strict";

  const p = shared.primordials;
  const { getOwnPropertyDescriptor, hasOwn, join, ownKeys, padEnd, repeat } = p;
  const { inspect } = shared;

  const isObject = (value) => (typeof value === "object" && value !== null) || typeof value === "function";
  const cell = (value) => inspect(value, isObject(value) ? 0 : 2);

  // The enumerable own properties with string keys that hold a value, as [key, value].
  const properties = (object) => {
    const list = [];
    const keys = ownKeys(object);
    for (let i = 0; i < keys.length; i++) {
      if (typeof keys[i] !== "string") continue;
      const descriptor = getOwnPropertyDescriptor(object, keys[i]);
      if (descriptor !== undefined && descriptor.enumerable && hasOwn(descriptor, "value")) {
        list[list.length] = [keys[i], descriptor.value];
      }
    }
    return list;
  };

  // Rows of [index, value]; undefined if the data is nothing tabular.
  const rowsOf = (data) => {
    const rows = [];
    let header = "(index)";
    if (shared.isMap(data)) {
      header = "(iteration index)";
      p.mapForEach(data, (value, key) => { rows[rows.length] = [`${rows.length}`, value, key]; });
    } else if (shared.isSet(data)) {
      header = "(iteration index)";
      p.setForEach(data, (value) => { rows[rows.length] = [`${rows.length}`, value]; });
    } else {
      const list = properties(data);
      for (let i = 0; i < list.length; i++) rows[i] = list[i];
    }
    return [header, rows];
  };

  const line = (cells, widths) => {
    const parts = [];
    for (let i = 0; i < widths.length; i++) parts[i] = ` ${padEnd(cells[i], widths[i] + 1)}`;
    return `│${join(parts, "│")}│`;
  };

  const rule = (left, middle, right, widths) => {
    const parts = [];
    for (let i = 0; i < widths.length; i++) parts[i] = repeat("─", widths[i] + 2);
    return left + join(parts, middle) + right;
  };

  shared.table = (data, wanted) => {
    if (!isObject(data) || native.isProxy(data)) return undefined;
    const { 0: indexHeader, 1: rows } = rowsOf(data);
    const headers = [indexHeader];
    const hasKeys = rows.length > 0 && rows[0].length > 2;
    if (hasKeys) headers[1] = "Key";
    const places = { __proto__: null };
    const place = (name) => {
      if (!(name in places)) {
        places[name] = headers.length;
        headers[headers.length] = name;
      }
      return places[name];
    };
    if (wanted !== undefined) {
      for (let i = 0; i < wanted.length; i++) if (typeof wanted[i] === "string") place(wanted[i]);
    }
    const table = [];
    const loose = [];
    for (let i = 0; i < rows.length; i++) {
      const cells = [rows[i][0]];
      if (hasKeys) cells[1] = cell(rows[i][2]);
      const value = rows[i][1];
      if (isObject(value) && !native.isProxy(value) && typeof value !== "function") {
        const list = properties(value);
        for (let j = 0; j < list.length; j++) {
          if (wanted === undefined || list[j][0] in places) cells[place(list[j][0])] = cell(list[j][1]);
        }
      } else {
        loose[i] = cell(value);
      }
      table[i] = cells;
    }
    let values = -1;
    for (let i = 0; i < rows.length; i++) if (loose[i] !== undefined) values = headers.length;
    if (values !== -1) headers[values] = "Values";

    const widths = [];
    for (let i = 0; i < headers.length; i++) widths[i] = headers[i].length;
    for (let i = 0; i < table.length; i++) {
      if (values !== -1 && loose[i] !== undefined) table[i][values] = loose[i];
      for (let j = 0; j < headers.length; j++) {
        if (table[i][j] === undefined) table[i][j] = "";
        widths[j] = p.max(widths[j], table[i][j].length);
      }
    }
    const lines = [rule("┌", "┬", "┐", widths), line(headers, widths), rule("├", "┼", "┤", widths)];
    for (let i = 0; i < table.length; i++) lines[lines.length] = line(table[i], widths);
    lines[lines.length] = rule("└", "┴", "┘", widths);
    return join(lines, "\n");
  };
})
