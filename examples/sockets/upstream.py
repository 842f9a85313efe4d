"""The server that the Worker speaks to: `python examples/sockets/upstream.py [port]`. It turns lines around."""

import socketserver
import sys


class Handler(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        for line in self.rfile:
            self.wfile.write(line.decode().rstrip("\n")[::-1].encode() + b"\n")


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True


if __name__ == "__main__":
    port = int(sys.argv[1]) if len(sys.argv) > 1 else 8791
    Server(("127.0.0.1", port), Handler).serve_forever()
