"""Starts the process that speaks to the network for a program in plain CPython (`companion`)."""

from __future__ import annotations

import os
import subprocess
import sys

__all__ = ["start"]

_COMPANION = os.path.join(os.path.dirname(os.path.abspath(__file__)), "companion.py")


def start(descriptor: int) -> subprocess.Popen[bytes]:
    """Starts it, with `descriptor`, a socket, as its connection to this process. OSError if it can't be started.

    What is returned is not it but its parent, which ends at once: so it is no child of this process, which a program that
    waits for its own children would come upon.
    """
    if not sys.executable:
        raise OSError("sys.executable doesn't say where the Python interpreter is")
    # Nothing of the user's is to be imported there, not even by accident; some interpreters don't find their own modules
    # without PYTHONHOME.
    flags = ["-s", "-P", "-S"] if os.environ.get("PYTHONHOME") else ["-I", "-S"]
    return subprocess.Popen(
        [sys.executable, *flags, _COMPANION, str(os.getpid())],
        stdin=descriptor,
        stdout=subprocess.DEVNULL,
        # Ctrl-C is the program's: it may go on.
        start_new_session=True,
    )
