// What a URL comes to, part by part; run by record.sh in workerd and by url_recorded.rs here.
const PARTS = ["href", "origin", "protocol", "username", "password", "host", "hostname", "port", "pathname", "search", "hash"];

const show = (url) => (url === null ? "no URL" : PARTS.map((part) => url[part]));

// Texts, some with a base.
const TEXTS = [
  ["https://user:pass@Example.COM:443/a/./b/../c?q=1#f"], ["HTTP:example.org"], ["http:///example.org"], ["http:\\\\x\\y"],
  ["///test", "https://example.org/p"], ["\\\\other\\path", "https://example.org/p"], ["\\a", "foo://h/p"],
  ["//h2/x", "foo://h/p"], ["?q", "https://h/p?old#f"], ["#new", "https://h/p?old#f"], ["", "https://h/p?old#f"],
  ["../../x", "https://h/a/b/c/d"], ["%2e%2E/x", "https://h/a/b/c/d"], [".%2e", "https://h/a/b/"], ["#f", "data:text"], ["x", "data:text"],
  ["http://h/^`{}|\"<> '"], ["http://h/?^`{}|\"<> '"], ["foo://h/?'"], ["http://h/#`{}\"<> '"], ["http://u^|[]:p@h/"],
  ["http://a@b@c/"], ["http://@/"], ["http://u:@h"], ["http://:p@h"], ["http://u@h:0080/"], ["http://h:65536/"], ["http://h:1x/"],
  ["http://h:/"], ["https://h:80"], ["ws://h:80"], ["ftp://h:21/x"], ["foo://h:80"],
  ["foo:opaque  ?q"], ["foo:opaque  #f"], ["foo:opaque  "], ["foo: x\ty"], ["foo:/.//p"], ["foo:/..//p"], ["foo:/p/../.."],
  ["foo://"], ["foo:///x"], ["foo://h h/"], ["foo://h%20h/\u00e9"], ["foo://\u00e9/"], ["foo://a<b/"], ["foo://[::1]:5/"],
  ["file:c:\\x"], ["file:///C|/x/.."], ["file://localhost/x"], ["file://h/C:/"], ["file:////a//b"], ["file://///"], ["C|/x", "file://h/a/b"],
  ["/..", "file:///C:/x"], ["..", "file:///C:/"], ["//h2/x", "file://h/y"], ["?q", "file:///C:/x"], ["file:"], ["file://%43%3A/"],
  ["http://0x7f.1/"], ["http://1.2.3/"], ["http://256.1.1.1/"], ["http://1.2.3.4.5/"], ["http://4294967296/"], ["http://0300.0.0.09/"],
  ["http://1.2.3.4./"], ["http://1..2/"], ["http://a.0x/"], ["http://%31%2e2.3.4/"],
  ["http://[1:2:0:0:3:0:0:0]/"], ["http://[::ffff:1.2.3.4]/"], ["http://[1:2:3:4:5:6:7:8:9]/"], ["http://[::1.2.3]/"], ["http://[1::2::3]/"],
  ["http://[::1%25eth0]/"], ["http://[0:0:1:0:0:0:1:1]"], ["http://[::1"], ["http://[1:0:1:0:1:0:1:0]/"],
  ["http://\u00fc.de/"], ["http://fa\u00df.de/"], ["http://xn--/"], ["http://xn--pokxncvks/"], ["http://a\u00ad.b/"], ["http://\u3002/"],
  ["http://a%00b/"], ["http://a%7fb/"], ["http://%zz/"], ["http://a b/"], ["http://a_b/"], ["http://\uff05\uff14\uff11.com/"],
  ["http://GO\u200b\u2060\ufeffgoo.com/"], ["http://-a-/"],
  ["blob:https://h:1/x"], ["blob:ftp://h/"], ["blob:blob:https://h/"], ["blob:x"], ["javascript:alert(1)"], ["mailto:a@b"], ["about:blank"],
  [" \u0000 http://h/ \u001f "], ["ht\ntp://h/\tx"], ["1http://h"], ["http+x-1.y://h"], [":x", "http://h/"], ["x:", "http://h/"], ["http:x", "http://h/y"],
  ["http:x", "https://h/y"], ["http:/x", "http://h/y"], ["http:", "http://h/y?q"], ["http:#f", "http://h/y?q"], ["ssh://u:p@[::1]:22/~a"],
  ["http://h/\ud800\u{1f600}"], ["http://h/%"], ["http://h/%gg%61"], ["x"], [""], ["", "x"],
];

// From, part, to.
const SETS = [
  ["https://h/", "protocol", "http"], ["https://h:80/", "protocol", "http:garbage"], ["https://h/", "protocol", "foo"], ["foo://h", "protocol", "bar"],
  ["foo://h", "protocol", "https"], ["https://u@h/", "protocol", "file"], ["file:///x", "protocol", "http"], ["https://h/", "protocol", "1"],
  ["https://h/", "username", "a:b@c"], ["file:///x", "username", "a"], ["foo:x", "username", "a"], ["https://h/", "password", "\u00e9 ^"],
  ["https://u:p@h/", "password", ""], ["https://h:1/", "host", "x:2"], ["https://h:1/", "host", "x"], ["https://h:1/", "host", "x:"],
  ["https://h:1/", "host", ":2"], ["https://h/", "host", "x/y?z"], ["https://h/", "host", ""], ["foo://h/", "host", ""], ["foo://u@h/", "host", ""],
  ["foo:x", "host", "h"], ["https://h/", "host", "[::1]:5"], ["https://h/", "host", "a b"], ["file:///x", "host", "h:1"], ["file:///x", "host", "localhost"],
  ["foo:/.//p", "host", "h"], ["foo://h//p", "hostname", ""], ["https://h:1/", "hostname", "x:2"], ["https://h:1/", "hostname", "0x7f000001"],
  ["https://h/", "hostname", "a#b"], ["https://h/", "port", "443"], ["https://h/", "port", "8080x"], ["https://h/", "port", "x"],
  ["https://h:1/", "port", ""], ["https://h:1/", "port", "65536"], ["https://h:1/", "port", "00009"], ["file:///x", "port", "1"], ["https://h:1/", "port", "2/3"],
  ["https://h/a?q#f", "pathname", "b/../c?d#e"], ["foo://h/a", "pathname", ""], ["https://h/a", "pathname", ""], ["foo:x", "pathname", "y"],
  ["foo:/p", "pathname", "//x"], ["file:///C:/", "pathname", "D|/.."], ["https://h", "pathname", "\\a\\b"], ["https://h/", "search", "?a#b c'"],
  ["foo://h/", "search", "'"], ["https://h/?q", "search", ""], ["https://h/?q", "search", "??"], ["foo:x  ?q", "search", ""], ["https://h/#f", "hash", "#a b`"],
  ["https://h/#f", "hash", ""], ["foo:x  #f", "hash", ""], ["javascript:x", "hash", "y"], ["https://h/x", "href", "http://o/"],
];

export async function run() {
  const results = {};
  for (const [text, base] of TEXTS) {
    results[JSON.stringify(base === undefined ? [text] : [text, base])] = show(URL.parse(text, base));
  }
  for (const [from, part, to] of SETS) {
    const url = new URL(from);
    url[part] = to;
    results[`${from} ${part} = ${JSON.stringify(to)}`] = show(url);
  }
  return results;
}
