#!/bin/sh
# Asks workerd (from npm) for the outcome of every case in NAME_cases.mjs and writes NAME_workerd.json.
# Usage: record.sh PATH-TO-WORKERD fetch|object
set -eu
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'kill "$server" 2>/dev/null; rm -r "$work"' EXIT
cp "$here/$2_cases.mjs" "$work/cases.mjs"
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
"$1" serve "$work/config.capnp" &
server=$!
sleep 2
curl -sf http://127.0.0.1:8098/ > "$here/$2_workerd.json"
