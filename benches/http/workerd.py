"""workerd from npm, kept in the user's cache folder."""

import os
import shutil
import socket
import subprocess
import time
from pathlib import Path
from typing import Self

VERSION = "1.20260730.1"
CONFIG = Path(__file__).resolve().parent / "workerd.capnp"


def _binary() -> Path | None:
    """The installed binary; `None`, with a line that says why, if it can't be had."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "isthmus" / f"workerd-{VERSION}"
    # The package of this machine's kind; `workerd` itself only starts it.
    installed = "node_modules/@cloudflare/workerd-*/bin/workerd"
    if not any(cache.glob(installed)):
        if shutil.which("npm") is None:
            print("no npm: workerd is not compared with")
            return None
        cache.mkdir(parents=True, exist_ok=True)
        options = ["--silent", "--no-fund", "--no-audit", "--prefix", str(cache)]
        subprocess.run(["npm", "install", *options, f"workerd@{VERSION}"])
    binary = next(cache.glob(installed), None)
    if binary is None:
        print("npm cannot install workerd: it is not compared with")
    return binary


class Workerd:
    """A running workerd, with the JavaScript hello unless `config` names something else."""

    def __init__(self, binary: Path, prefix: list[str], config: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        command = [*prefix, str(binary), "serve", str(config), f"--socket-addr=http=127.0.0.1:{port}"]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for _ in range(500):
            try:
                socket.create_connection(("127.0.0.1", port)).close()
                return
            except OSError:
                time.sleep(0.02)
        self._process.kill()
        raise RuntimeError("workerd does not listen")

    @classmethod
    def start(cls, prefix: list[str], config: Path = CONFIG) -> Self | None:
        """Starts it, if it can be had here."""
        binary = _binary()
        return cls(binary, prefix, config) if binary else None

    @property
    def pid(self) -> int:
        """Its only process."""
        return self._process.pid

    def stop(self) -> None:
        self._process.kill()
        self._process.wait()
