"""A real `isthmus dev` on a Worker's folder."""

import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Self

import httpx

from . import processes
from .processes import eventually

READY = re.compile(r"\[wrangler:info\] Ready on (http://127\.0\.0\.1:\d+)$")

CONFIG = """{
  "name": "test",
  "main": "main.py",
  "compatibility_date": "2026-11-01",
  "compatibility_flags": ["python_workers"],
  "kv_namespaces": [{ "binding": "KV", "id": "test" }]
}
"""
"""What a Worker of one test is configured by, unless it says otherwise."""


class Pids(NamedTuple):
    """The processes of a server, as the test sees them."""

    host: int
    zygotes: list[int]
    isolates: list[int]


class StartError(Exception):
    """`isthmus dev` ended before it was ready; the text is all it printed."""

    def __init__(self, exit_code: int, log: str) -> None:
        super().__init__(f"isthmus dev ended with exit code {exit_code}:\n{log}")
        self.exit_code = exit_code
        self.log = log


class Server:
    """Starts on construction, ends with the `with` block; `start` again after `kill_host` or `stop`.

    `folder` holds the Worker. The state lies in it, under `.wrangler`, unless `flags` say otherwise.
    """

    def __init__(
        self,
        folder: Path,
        flags: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
        prefix: Sequence[str] = (),
        start_timeout: float = 30.0,
    ) -> None:
        self.folder = folder
        self.flags = list(flags)
        self.environment = dict(environment or {})
        self.prefix = list(prefix)
        self.start_timeout = start_timeout
        self._lines: list[str] = []
        self.start()

    def start(self) -> None:
        """Starts the server and waits for its ready line."""
        command = [*self.prefix, sys.executable, "-m", "isthmus", "dev", str(self.folder)]
        self._lines = []
        self.url = ""
        self._ready = threading.Event()
        self._process = subprocess.Popen(
            [*command, "--ip", "127.0.0.1", "--port", "0", *self.flags],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={**os.environ, "NO_COLOR": "1", **self.environment},
        )
        self._reader = threading.Thread(target=self._read, args=(self._process,), daemon=True)
        self._reader.start()
        if not self._ready.wait(self.start_timeout):
            self._process.kill()
            raise AssertionError(f"isthmus dev is not ready after {self.start_timeout} s:\n{self.log}")
        if not self.url:
            raise StartError(self._process.wait(), self.log)
        self.client = httpx.Client(base_url=self.url, timeout=20.0)

    def _read(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdout is not None
        for raw in process.stdout:
            line = raw.decode(errors="backslashreplace").rstrip("\n")
            self._lines.append(line)
            if match := READY.search(line):
                self.url = match[1]
                self._ready.set()
        # The output ends when the last process that holds it ends.
        self._ready.set()

    @property
    def address(self) -> tuple[str, int]:
        """Where it listens, for a client of its own."""
        host, _, port = self.url.removeprefix("http://").partition(":")
        return host, int(port)

    @property
    def log(self) -> str:
        """All that was printed so far."""
        return "\n".join(self._lines)

    def wait_for_log(self, text: str, timeout: float = 10.0) -> str:
        """Waits until the log contains `text`; answers the log."""
        try:
            eventually(lambda: text in self.log, f"the log contains {text!r}", timeout)
        except AssertionError as error:
            raise AssertionError(f"{error}; it is:\n{self.log}") from None
        return self.log

    def get(self, path: str = "/", **options: Any) -> httpx.Response:
        """A GET request on a kept-alive connection."""
        return self.client.get(path, **options)

    def post(self, path: str = "/", **options: Any) -> httpx.Response:
        """A POST request on a kept-alive connection."""
        return self.client.post(path, **options)

    def pids(self) -> Pids:
        """The processes at this moment."""
        host = self.host_pid
        zygotes = [pid for pid in processes.children(host) if "zygote" in processes.command_line(pid)]
        return Pids(host, zygotes, [child for zygote in zygotes for child in processes.children(zygote)])

    @property
    def host_pid(self) -> int:
        """The host, which a prefix such as `taskset` becomes by `exec`."""
        return self._process.pid

    def wait_for_isolates(self, count: int = 1, timeout: float = 10.0) -> Pids:
        """Waits until at least `count` isolates run."""

        def enough() -> Pids | None:
            pids = self.pids()
            return pids if len(pids.isolates) >= count else None

        return eventually(enough, f"{count} isolates run", timeout)

    def kill_host(self) -> None:
        """Ends the host as a crash would (`SIGKILL`), and waits until all its processes have ended."""
        pids = self.pids()
        self._process.kill()
        self._process.wait()
        self.client.close()
        for pid in [*pids.zygotes, *pids.isolates]:
            eventually(lambda pid=pid: not processes.is_running(pid), f"process {pid} ends with the host")
        self._reader.join(10)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Ends the server in order, by a signal; answers its exit code."""
        self.client.close()
        if self._process.poll() is None:
            self._process.send_signal(number)
        try:
            code = self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            raise AssertionError(f"isthmus dev did not end within 20 s of {number.name}:\n{self.log}") from None
        self._reader.join(10)
        return code

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.poll() is None:
            self.stop()


def copy_worker(source: Path, target: Path) -> Path:
    """Copies a Worker's folder, without what earlier runs left in it; answers the copy."""
    ignored = shutil.ignore_patterns("__pycache__", ".wrangler", "README.md", "expect.toml")
    shutil.copytree(source, target, ignore=ignored)
    return target
