"""The server that the Worker asks: `python examples/fetch/upstream.py [port]`."""

import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        question = json.loads(self.rfile.read(int(self.headers["content-length"])))
        answer = {"sum": sum(question["numbers"]), "text": question["text"].upper()}
        self.answer(json.dumps(answer).encode(), "application/json")

    def do_GET(self) -> None:
        self.answer(b"".join(b"line %d\n" % number for number in range(100_000)), "text/plain")

    def answer(self, body: bytes, kind: str) -> None:
        self.send_response(200)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


if __name__ == "__main__":
    port = int(sys.argv[1]) if len(sys.argv) > 1 else 8790
    ThreadingHTTPServer(("127.0.0.1", port), Handler).serve_forever()
