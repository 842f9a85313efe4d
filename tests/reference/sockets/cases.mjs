// Cases of cloudflare:sockets, run by `record.mjs` on workerd with miniflare and by `tests/test_sockets.py` here. The servers
// that they talk to are those of `tests/harness/tcp.py`; `where` has their ports.
import { connect } from "cloudflare:sockets";
import * as sockets from "cloudflare:sockets";

const encoder = new TextEncoder(), decoder = new TextDecoder();
const text = async (stream) => {
  let all = "";
  for await (const chunk of stream) all += decoder.decode(chunk);
  return all;
};
const fails = async (call) => {
  try {
    const value = await call();
    return ["returned", value === undefined ? "undefined" : JSON.stringify(value)];
  } catch (error) {
    return [error?.name, String(error?.message).replace(/\d{4,5}/g, "PORT")];
  }
};
const kind = async (promise) => (await fails(() => promise))[0];
const soon = (promise) => Promise.race([promise.then(() => "settled", () => "settled"), new Promise((r) => setTimeout(r, 300, "pending"))]);
const write = async (socket, data) => {
  const writer = socket.writable.getWriter();
  await writer.write(typeof data === "string" ? encoder.encode(data) : data);
  writer.releaseLock();
};
const line = async (socket) => {
  const reader = socket.readable.getReader();
  let all = "";
  while (!all.endsWith("\n")) {
    const { value, done } = await reader.read();
    if (done) break;
    all += decoder.decode(value);
  }
  reader.releaseLock();
  return all;
};

const casesOf = (where) => {
  const at = (name) => `localhost:${where[name]}`;
  const refused = (address, options) => fails(async () => { connect(address, options); return "made"; });
  return {
    "exports": () => [typeof sockets.connect, sockets.connect.length],
    "globals": () => [typeof Socket, typeof globalThis.connect],
    "shape": async () => {
      const socket = connect(at("echo"));
      const shape = [
        Object.prototype.toString.call(socket), socket.constructor.name, Object.getOwnPropertyNames(Object.getPrototypeOf(socket)).sort(),
        socket.readable instanceof ReadableStream, socket.writable instanceof WritableStream,
        socket.opened instanceof Promise, socket.closed instanceof Promise, socket.upgraded, socket.secureTransport,
        socket.readable === socket.readable, socket.opened === socket.opened,
      ];
      await socket.close();
      return shape;
    },
    "opened": async () => {
      const socket = connect(at("echo"));
      const info = await socket.opened;
      await socket.close();
      return [Object.keys(info), info.remoteAddress === at("echo"), info.localAddress === undefined];
    },
    "an address as an object": async () => {
      const socket = connect({ hostname: "localhost", port: where.greet });
      const info = await socket.opened;
      return [info.remoteAddress === at("greet"), await text(socket.readable)];
    },
    "an IP address": async () => text(connect(`127.0.0.1:${where.greet}`).readable),
    "reads to the end": async () => text(connect(at("greet")).readable),
    "echo": async () => {
      const socket = connect(at("echo"));
      await write(socket, "hello\n");
      const answer = await line(socket);
      await socket.close();
      return answer;
    },
    "a lot both ways": async () => {
      const socket = connect(at("echo"));
      const chunk = new Uint8Array(100_000).map((_, i) => i % 251);
      const writer = socket.writable.getWriter();
      const writing = (async () => {
        for (let i = 0; i < 30; i++) await writer.write(chunk.slice());
        await writer.close();
      })();
      let length = 0, wrong = 0;
      for await (const bytes of socket.readable) {
        for (let i = 0; i < bytes.length; i += 997) if (bytes[i] !== ((length + i) % 100_000) % 251) wrong++;
        length += bytes.length;
      }
      await writing;
      return [length, wrong];
    },
    "closing the writable side ends what the server reads": async () => {
      const socket = connect(at("count"), { allowHalfOpen: true });
      const writer = socket.writable.getWriter();
      await writer.write(encoder.encode("twelve bytes"));
      await writer.close();
      return text(socket.readable);
    },
    "pipeTo": async () => {
      const socket = connect(at("count"), { allowHalfOpen: true });
      await new Response("piped").body.pipeTo(socket.writable);
      return text(socket.readable);
    },
    "a response of it": async () => {
      const socket = connect(at("greet"));
      return new Response(socket.readable).text();
    },
    "the server's end closes": async () => {
      const socket = connect(at("greet"));
      await text(socket.readable);
      return [await soon(socket.closed), await kind(socket.closed)];
    },
    "the server's end closes the writable side": async () => {
      const socket = connect(at("last"));
      await text(socket.readable);
      await soon(socket.closed);
      return kind(socket.writable.getWriter().write(encoder.encode("x")));
    },
    "half open": async () => {
      const socket = connect(at("last"), { allowHalfOpen: true });
      const answer = await text(socket.readable);
      const before = await soon(socket.closed);
      await write(socket, "still here");
      await socket.close();
      return [answer, before, await kind(socket.closed)];
    },
    "close": async () => {
      const socket = connect(at("silent"));
      await socket.opened;
      const closed = await fails(() => socket.close());
      return [closed, await fails(() => socket.closed), await kind(socket.close())];
    },
    "close before it is opened": async () => {
      const socket = connect(at("silent"));
      return [await fails(() => socket.close()), await kind(socket.opened), await kind(socket.closed)];
    },
    "close returns what closed is": async () => {
      const socket = connect(at("silent"));
      const result = socket.close();
      return [result instanceof Promise, String(await result)];
    },
    "reading after close": async () => {
      const socket = connect(at("silent"));
      await socket.opened;
      await socket.close();
      const reader = socket.readable.getReader();
      return fails(async () => (await reader.read()).done);
    },
    "writing after close": async () => {
      const socket = connect(at("silent"));
      await socket.opened;
      await socket.close();
      return kind((async () => socket.writable.getWriter().write(encoder.encode("x")))());
    },
    "a read that waits when it is closed": async () => {
      const socket = connect(at("silent"));
      await socket.opened;
      const reader = socket.readable.getReader();
      const read = reader.read();
      await socket.close();
      return fails(async () => (await read).done);
    },
    "what was written before close arrives": async () => {
      const socket = connect(at("count"), { allowHalfOpen: true });
      const writer = socket.writable.getWriter();
      writer.write(encoder.encode("x".repeat(1000)));
      const closing = writer.close();
      const answer = await text(socket.readable);
      await closing;
      await socket.close();
      return answer;
    },
    "cancelling the readable side": async () => {
      const socket = connect(at("echo"));
      await socket.opened;
      const cancelled = await fails(() => socket.readable.cancel());
      return [cancelled, await kind(write(socket, "x"))];
    },
    "aborting the writable side": async () => {
      const socket = connect(at("echo"));
      await socket.opened;
      return fails(() => socket.writable.abort(new Error("enough")));
    },
    "something that is no bytes": async () => {
      const socket = connect(at("echo"));
      await socket.opened;
      const answer = await kind(socket.writable.getWriter().write(5));
      await soon(socket.close());
      return answer;
    },

    "nobody there: opened": () => fails(() => connect(at("nobody")).opened),
    "nobody there: closed": () => fails(() => connect(at("nobody")).closed),
    "nobody there: reading": () => fails(async () => {
      const socket = connect(at("nobody"));
      const { done } = await socket.readable.getReader().read();
      return done;
    }),
    "nobody there: writing": () => kind(write(connect(at("nobody")), "x")),
    "nobody there: close": () => kind(connect(at("nobody")).close()),
    "nobody there: port 80": () => fails(() => connect("127.77.77.77:80").opened),
    "nobody there: port 443": () => fails(() => connect({ hostname: "127.77.77.77", port: 443 }).opened),
    "no such name": () => fails(() => connect("nothing.invalid:1234").opened),
    "a reset": async () => {
      const socket = connect(at("reset"));
      await write(socket, "xy");
      return kind(text(socket.readable));
    },

    "no address": () => refused(),
    "an empty address": () => refused(""),
    "no port": () => refused("localhost"),
    "no hostname": () => refused(":1234"),
    "a port that is none": () => refused("localhost:abc"),
    "a port that is too large": () => refused("localhost:65536"),
    "port 0": () => fails(() => connect("localhost:0").opened),
    "spaces": () => refused("local host:1"),
    "a URL": () => refused("http://localhost:1"),
    "a path": () => refused("localhost:1/a"),
    "bad characters": () => refused({ hostname: "local$host", port: 1 }),
    "too long a name": () => refused({ hostname: "a".repeat(300), port: 1 }),
    "an object without a port": () => refused({ hostname: "localhost" }),
    "an object without a hostname": () => refused({ port: 1 }),
    "an object with a port that is too large": () => refused({ hostname: "localhost", port: 70000 }),
    "an object with a negative port": () => refused({ hostname: "localhost", port: -1 }),
    "an object with a port as text": async () => text(connect({ hostname: "localhost", port: String(where.greet) }).readable),
    "an object with an empty hostname": () => fails(() => connect({ hostname: "", port: 1 }).opened),
    "an unknown secureTransport": () => refused(at("echo"), { secureTransport: "maybe" }),
    "options that are none": () => refused(at("echo"), 5),

    "TLS": async () => {
      const socket = connect(at("tls"), { secureTransport: "on" });
      await write(socket, "secret\n");
      const answer = await line(socket);
      const transport = socket.secureTransport;
      await socket.close();
      return [answer, transport, socket.upgraded];
    },
    "TLS: to who speaks none": () => kind(connect(at("greet"), { secureTransport: "on" }).opened),
    "TLS: another name than the certificate's": () => kind(connect(`127.0.0.1:${where.tls}`, { secureTransport: "on" }).opened),
    "startTls": async () => {
      const socket = connect(at("starttls"), { secureTransport: "starttls" });
      const greeting = await line(socket);
      await write(socket, "STARTTLS\n");
      const go = await line(socket);
      const before = [socket.secureTransport, socket.upgraded];
      const secure = socket.startTls();
      const other = secure === socket;
      await write(secure, "secret\n");
      const answer = await line(secure);
      const after = [socket.upgraded, secure.secureTransport, secure.upgraded, await soon(socket.closed), await kind(secure.opened)];
      await secure.close();
      return [greeting, go, before, other, answer, after];
    },
    "startTls: the old socket is of no use": async () => {
      const socket = connect(at("starttls"), { secureTransport: "starttls" });
      await line(socket);
      await write(socket, "STARTTLS\n");
      await line(socket);
      const secure = socket.startTls();
      await secure.opened;
      const use = [await kind((async () => socket.readable.getReader().read())()), await kind(write(socket, "x")), await kind((async () => socket.startTls())())];
      await secure.close();
      return use;
    },
    "startTls: without the option": async () => {
      const socket = connect(at("echo"));
      await socket.opened;
      const answer = await fails(async () => socket.startTls());
      await socket.close();
      return answer;
    },
    "startTls: of a TLS socket": async () => {
      const socket = connect(at("tls"), { secureTransport: "on" });
      await socket.opened;
      const answer = await fails(async () => socket.startTls());
      await socket.close();
      return answer;
    },
    "startTls: of a closed socket": async () => {
      const socket = connect(at("echo"), { secureTransport: "starttls" });
      await socket.opened;
      await socket.close();
      return fails(async () => socket.startTls());
    },
    "startTls: a server that speaks none": async () => {
      const socket = connect(at("greet"), { secureTransport: "starttls" });
      await line(socket);
      return kind(socket.startTls().opened);
    },
    "many at once": async () => {
      const answers = await Promise.all(Array.from({ length: 40 }, async (_, i) => {
        const socket = connect(at("echo"));
        await write(socket, `${i}\n`);
        const answer = await line(socket);
        await socket.close();
        return answer;
      }));
      return answers.every((answer, i) => answer === `${i}\n`);
    },
  };
};

export const run = async (where) => {
  const answers = {};
  for (const [name, body] of Object.entries(casesOf(where))) {
    let timer;
    const late = new Promise((resolve) => { timer = setTimeout(resolve, 4000, "never settles"); });
    try {
      answers[name] = await Promise.race([body(), late]);
    } catch (error) {
      answers[name] = `throws ${error?.name}: ${String(error?.message).replace(/\d{4,5}/g, "PORT")}`;
    }
    clearTimeout(timer);
  }
  return answers;
};
