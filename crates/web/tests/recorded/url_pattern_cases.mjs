// What URL patterns are and match; run by record.sh in workerd and by recorded_modules.rs here.
const COMPONENTS = ["protocol", "username", "password", "hostname", "port", "pathname", "search", "hash"];

// The arguments of the constructor, then those of exec().
const CASES = [
  [["https://example.com/books/:id"], ["https://example.com/books/12?x#y"]],
  [["https://example.com/books/:id"], ["https://example.com/books/12/pages"]],
  [["https://*.example.com/*"], ["https://a.b.example.com/x/y"]],
  [["https://{:sub.}?example.com/"], ["https://example.com/"]],
  [["https://{:sub.}?example.com/"], ["https://api.example.com/"]],
  [["http{s}?://example.com/"], ["http://example.com/"]],
  [["/books/:id(\\d+)", "https://example.com"], ["https://example.com/books/12"]],
  [["/books/:id(\\d+)", "https://example.com"], ["/books/x", "https://example.com"]],
  [["/books/:id(\\d+)", "https://example.com"], ["/books/7", "https://example.com/a"]],
  [[{ pathname: "/a/:x?" }], [{ pathname: "/a" }]],
  [[{ pathname: "/a/:x*" }], [{ pathname: "/a/b/c" }]],
  [[{ pathname: "/a/:x+" }], [{ pathname: "/a" }]],
  [[{ pathname: "/:a/:b" }], ["https://h/x/y/"]],
  [[{ pathname: "/:a.:b" }], ["https://h/x.y"]],
  [[{ pathname: "/:a-:b" }], ["https://h/x-y"]],
  [[{ pathname: "/x{-:b}?" }], ["https://h/x-y"]],
  [[{ pathname: "/*/b/*" }], ["https://h/1/2/b/3"]],
  [[{ pathname: "/(.*)/(\\d+)" }], ["https://h/a/b/3"]],
  [[{ pathname: "/([a-z]+)::x" }], ["https://h/abc::x"]],
  [[{ pathname: "/:id([^\\/]+?)" }], ["https://h/abc"]],
  [[{ pathname: "/{a}b{c}" }], ["https://h/abc"]],
  [[{ pathname: "/\\:x\\*" }], ["https://h/:x*"]],
  [[{ pathname: "/caf\u00e9/:n" }], ["https://h/caf%C3%A9/x"]],
  [[{ pathname: "/:caf\u00e9" }], ["https://h/x"]],
  [[{ pathname: "/:__proto__" }], ["https://h/x"]],
  [[{ pathname: "/a b" }], ["https://h/a%20b"]],
  [[{ pathname: "/a/../b" }], ["https://h/b"]],
  [[{ pathname: "b/:x", baseURL: "https://h/a/c" }], ["https://h/a/b/1"]],
  [[{ pathname: "b", baseURL: "data:x" }], ["data:b"]],
  [[{ hostname: "\u00fc.de" }], ["https://xn--tda.de/"]],
  [[{ hostname: "*.x-y.de" }], ["https://a.x-y.de/"]],
  [[{ hostname: "[\\:\\:1]" }], ["http://[::1]/"]],
  [[{ hostname: "{[\\:\\::a]}" }], ["http://[::2]/"]],
  [[{ hostname: "a b" }], []],
  [[{ hostname: "a/b" }], []],
  [[{ hostname: ":a.:b" }], ["https://x.y/"]],
  [[{ protocol: "http{s}?", port: "80" }], ["http://h/"]],
  [[{ protocol: "https", port: "443" }], ["https://h:443/"]],
  [[{ port: "80*" }], ["https://h:8080/"]],
  [[{ port: "x" }], []],
  [[{ protocol: "foo-bar" }], ["foo-bar:x"]],
  [[{ protocol: "\u00e9" }], []],
  [[{ username: "a*", password: "?" }], []],
  [[{ username: "a*", password: ":p" }], ["https://abc:d@h/"]],
  [[{ search: "q=:q&*" }], ["https://h/?q=1&r=2"]],
  [[{ search: "?q=:q" }], ["https://h/?q=1"]],
  [[{ hash: "#:x" }], ["https://h/#y"]],
  [["https://h/a?b#c"], ["https://h/?b#c"]],
  [["https://h/a\\?b#c"], ["https://h/a?b#c"]],
  [["https://h/:a?b"], ["https://h/xb"]],
  [["data:text/*"], ["data:text/plain,x"]],
  [["foo:bar"], ["foo:bar"]],
  [["foo://h:1/x"], ["foo://h:1/x"]],
  [["https://u:p@h/"], ["https://u:p@h/"]],
  [["https://h:*/"], ["https://h:99/"]],
  [["https://[\\:\\:1]:8080/*"], ["https://[::1]:8080/x"]],
  [["?q", "https://h/p"], ["https://h/p?q"]],
  [["#f", "https://h/p?q"], ["https://h/p?q#f"]],
  [["x", "https://h/p/q?r"], ["https://h/p/x"]],
  [["https://H/A", { ignoreCase: true }], ["https://h/a"]],
  [[{ pathname: "/ABC", search: "X", hash: "Y" }, { ignoreCase: true }], ["https://h/abc?x#y"]],
  [[{ pathname: "/ABC" }, { ignoreCase: false }], ["https://h/abc"]],
  [["/A", "https://h", { ignoreCase: true }], ["https://h/a"]],
  [[{}, undefined], ["https://h/"]], [[{}, null], ["https://h/"]], [[undefined], [undefined]], [[], []],
  [[{}], ["no url"]], [[{}], ["x", "no base"]], [[{}], [{ pathname: "x" }, "https://h"]], [[{}], [{ port: "x" }]],
  [[{}], [{ baseURL: "https://u:p@h:1/p?q#f" }]], [[{}], [{ pathname: "x", baseURL: "https://h/a/b?c" }]],
  [[{}], [{ protocol: "https:", search: "?a", hash: "#b", port: "443" }]],
  [[{ baseURL: "https://u:p@h:1/p?q#f" }], ["https://u:p@h:1/p?q#f"]], [[{ baseURL: "https://h/*+:{}()" }], []],
  [[{ hostname: "x", baseURL: "https://h/p" }], ["https://x/y"]], [[{ baseURL: "no" }], []], [[{}, "https://h"], []],
  [["x"], []], [["https://h/("], []], [["https://h/(?:x)"], []], [["https://h/(?<a>x)"], []], [["https://h/(a(b))"], []],
  [["https://h/(a(?:b))"], ["https://h/ab"]], [["https://h/{a"], []], [["https://h/a}"], []], [["https://h/()"], []],
  [["https://h/:"], []], [["https://h/\\"], []], [["https://h/:a/:a"], []], [["https://h/([)"], []], [["https://h/(a**)"], []],
  [["https://h/(\u00e9)"], []], [["https://h/(\\\u00e9)"], []], [["https://h/**"], ["https://h/x"]], [["https://h/a+"], []],
  [["https://h/{a}+"], ["https://h/aa"]], [["https://h/{}?x"], ["https://h/x"]], [["https://h/:a*+"], []], [["https://h/{:a}{:b}"], []],
  [["https://h/:a{b}"], ["https://h/xb"]], [["https://h/:a{\u00e9}"], []], [["https://h/:a(b)"], []], [["https://h/:a0(b)c"], []],
  [["https://h/:a[b]"], []], [["https://h/(\\w)(-)(\\/)"], ["https://h/a-/"]], [["https://h/(a&&b::c)"], ["https://h/a&&b::c"]],
  [["https://h/([a&&b])"], []], [["https://h/([\\w--\\d])"], ["https://h/a"]], [["https://h/(\\p{L}+)"], ["https://h/abc"]],
];

// In an order of their own: workerd's is that of a hash table.
const groupsOf = ({ groups }) =>
  Object.keys(groups).sort().map((name) => [name, groups[name] ?? "<undefined>"]);

const text = (args) => JSON.stringify(args, (_, value) => (value === undefined ? "<undefined>" : value));

export async function run() {
  const results = {};
  for (const [made, given] of CASES) {
    let result;
    try {
      const pattern = new URLPattern(...made);
      result = { pattern: COMPONENTS.map((name) => pattern[name]), groups: pattern.hasRegExpGroups };
      try {
        result.test = pattern.test(...given);
        const match = pattern.exec(...given);
        result.exec = match && [
          match.inputs,
          ...COMPONENTS.map((name) => [match[name].input, groupsOf(match[name])]),
        ];
      } catch (error) {
        result.throws = error.name;
      }
    } catch (error) {
      result = `throws ${error.name}`;
    }
    results[`${text(made)} ${text(given)}`] = result;
  }
  return results;
}
