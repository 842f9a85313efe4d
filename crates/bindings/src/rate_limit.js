// `Ratelimit`: https://developers.cloudflare.com/workers/runtime-apis/bindings/rate-limit/
//
// Uses are counted by the host. The answer to the script is a function that makes a limit of a function of a key, and of a
// limit and a period if they are not as configured.
(function (native, shared) {
  "use strict";

  const { Error, TypeError, join, ownKeys } = shared.primordials;
  const { tag } = shared.webidl;

  const INTERNAL = {};
  const OPTIONS = ["key", "limit", "period"];

  const require = (holds, message) => { if (!holds) throw new Error(message); };

  // What is absent is as configured.
  const given = (options, name) => options[name] === null ? undefined : options[name];

  class Ratelimit {
    #count;

    constructor(key, count) {
      if (key !== INTERNAL) throw new TypeError("Illegal constructor");
      this.#count = count;
    }

    async limit(options) {
      require(typeof options === "object" && options !== null, "invalid rate limit options");
      const unknown = [];
      const names = ownKeys(options);
      for (let i = 0; i < names.length; i++) {
        const name = names[i];
        if (typeof name !== "string") continue;
        let isKnown = false;
        for (let j = 0; j < OPTIONS.length; j++) isKnown ||= OPTIONS[j] === name;
        if (!isKnown) unknown[unknown.length] = name;
      }
      require(unknown.length === 0, `bad rate limit options: [${join(unknown, ",")}]`);
      const key = given(options, "key") ?? "", limit = given(options, "limit"), period = given(options, "period");
      require(typeof key === "string", `invalid key: ${key}`);
      require(limit === undefined || typeof limit === "number", `limit must be a number: ${limit}`);
      require(period === undefined || typeof period === "number", `period must be a number: ${period}`);
      require(period === undefined || period === 10 || period === 60, `unsupported period: ${period}`);
      return { success: await this.#count(key, limit, period) };
    }
  }
  tag(Ratelimit.prototype, "Ratelimit");

  return (count) => new Ratelimit(INTERNAL, count);
})
