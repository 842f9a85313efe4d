// Makes a Map of an array in which each key is followed by its value; see get_many.rs.
(function (native, shared) {
  "use strict";

  const { Map, mapSet } = shared.primordials;

  return (pairs) => {
    const map = new Map();
    for (let i = 0; i < pairs.length; i += 2) mapSet(map, pairs[i], pairs[i + 1]);
    return map;
  };
});
