"""Disks that fail: a small one that is full, and one whose synchronisation fails."""

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

SHIM = Path(__file__).with_name("failing_sync.c")

MOUNT = 'mount -t tmpfs -o size="$1" tmpfs "$2" && shift 2 && exec "$@"'


def small_disk(folder: Path, size: str) -> list[str]:
    """The prefix of a command for which `folder` is a disk of this size; skips the test where that can't be had.

    Others see the folder as it was: `seen_by` is the way to what is on the disk.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for unshare in (["unshare", "--mount"], ["unshare", "--map-root-user", "--mount"]):
        prefix = [*unshare, "sh", "-c", MOUNT, "sh", size, str(folder)]
        if shutil.which("unshare") and subprocess.run([*prefix, "true"], capture_output=True).returncode == 0:
            return prefix
    pytest.skip("this system lets nobody mount a small disk")


def seen_by(pid: int, path: Path) -> Path:
    """A path as another process sees it."""
    return Path(f"/proc/{pid}/root") / path.relative_to("/")


class FailingSync:
    """A shim for `LD_PRELOAD` under which `fsync` and `fdatasync` fail with EIO, or don't return, as long as they are told to.

    Code that makes the system calls itself (rustix) isn't reached; SQLite and `std::fs` are.
    """

    def __init__(self, folder: Path) -> None:
        compiler = shutil.which("gcc") or shutil.which("cc")
        if compiler is None:
            pytest.skip("there is no C compiler")
        self._library = folder / "failing_sync.so"
        self._switch = folder / "syncs-fail"
        self._hold = folder / "syncs-wait"
        self._count = folder / "failed-syncs"
        self._count.touch()
        command: Sequence[str] = [compiler, "-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o", str(self._library)]
        subprocess.run([*command, str(SHIM)], check=True)

    @property
    def environment(self) -> dict[str, str]:
        """What a process needs to be under it."""
        return {
            "LD_PRELOAD": str(self._library),
            "FAILING_SYNC_SWITCH": str(self._switch),
            "FAILING_SYNC_COUNT": str(self._count),
            "HELD_SYNC_SWITCH": str(self._hold),
        }

    def fail(self) -> None:
        """From now on they fail."""
        self._switch.touch()

    def work(self) -> None:
        """From now on they work again."""
        self._switch.unlink()

    def hold(self) -> None:
        """From now on they don't return."""
        self._hold.touch()

    def release(self) -> None:
        """They return, if they were held."""
        self._hold.unlink(missing_ok=True)

    @property
    def failed(self) -> int:
        """How many have failed."""
        return self._count.stat().st_size
