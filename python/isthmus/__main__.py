"""The command line's way into Rust, and the zygote's.

Nothing is imported here beyond what the role needs: this runs at every start of every process.
"""

import sys


def main() -> None:
    """Run the role that the arguments name: ``run`` for a Python program, ``zygote`` for the host's child, else the
    command line.
    """
    if sys.argv[1:2] == ["run"]:
        from isthmus._embed.run import main as run

        run(sys.argv[2:])
        return

    from isthmus import _native

    if sys.argv[1:2] == ["zygote"]:
        _native.zygote_main()
        return

    import signal

    # The host handles Ctrl-C. Python's own handler would be called as well and raise KeyboardInterrupt
    # once the host has ended in order.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    sys.exit(_native.cli_main(sys.argv))


if __name__ == "__main__":
    main()
