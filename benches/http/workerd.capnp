# workerd with the smallest JavaScript Worker: what `run.py` compares with.
using Workerd = import "/workerd/workerd.capnp";

const config :Workerd.Config = (
  services = [(name = "main", worker = .hello)],
  sockets = [(name = "http", http = (), service = "main")],
);

const hello :Workerd.Worker = (
  modules = [(name = "hello", esModule = "export default { fetch() { return new Response('Hello World!'); } }")],
  compatibilityDate = "2026-01-01",
);
