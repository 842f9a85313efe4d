#!/bin/sh
# Asks workerd (from npm) for the outcome of every case in the files *_cases.mjs and writes *_workerd.json.
# Usage: record.sh PATH-TO-WORKERD [NAME …], where a NAME is that of a file without "_cases.mjs".
set -eu
here=$(cd "$(dirname "$0")" && pwd)
workerd=$1
shift
[ $# -gt 0 ] || set -- $(cd "$here" && ls ./*_cases.mjs | sed 's|^\./||; s|_cases\.mjs$||')
work=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server" 2>/dev/null; rm -r "$work"' EXIT
cat > "$work/worker.mjs" <<'JS'
import { run } from "cases";
export default { async fetch() { return new Response(JSON.stringify(await run(), null, 1) + "\n"); } };
JS
cat > "$work/config.capnp" <<'CAPNP'
using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [(name = "main", worker = .worker)],
  sockets = [(name = "http", address = "127.0.0.1:8098", http = (), service = "main")]
);
const worker :Workerd.Worker = (
  modules = [
    (name = "worker", esModule = embed "worker.mjs"),
    (name = "cases", esModule = embed "cases.mjs"),
  ],
  compatibilityDate = "2026-08-01",
);
CAPNP
for name in "$@"; do
  cp "$here/${name}_cases.mjs" "$work/cases.mjs"
  "$workerd" serve "$work/config.capnp" &
  server=$!
  sleep 2
  curl -sf http://127.0.0.1:8098/ > "$here/${name}_workerd.json"
  kill "$server"
  wait "$server" 2>/dev/null || true
  server=
done
