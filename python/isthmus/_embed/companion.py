"""A process that speaks to the network for a program in plain CPython, as the host does for a Worker.

A role of the wheel, started by `network` and run as a script: its standard input is the connection to the program, its
argument the program's process id. It ends with the program, however that ends.
"""

import os
import sys


def main() -> None:
    """Serves until the program ends."""
    if os.fork():
        os._exit(0)
    sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
    from isthmus import _native

    _native.companion_main(int(sys.argv[1]))
    # Whatever is still under way is of no use to anybody.
    os._exit(0)


if __name__ == "__main__":
    main()
