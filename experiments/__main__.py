"""The program ``fwi``, also as ``python -m experiments``: Ctrl-C is answered from the first import on."""

import signal
import sys


def main() -> None:
    """Run ``fwi``."""
    try:
        from experiments.cli import main as run

        run()
    except KeyboardInterrupt:
        print("fwi: error: interrupted; run the same command again", file=sys.stderr)
        raise SystemExit(130) from None
    finally:
        # All messages are out: the interpreter only shuts down, and processes that end now need no message.
        for number, answer in (
            (signal.SIGINT, signal.SIG_IGN),
            (signal.SIGTERM, signal.SIG_IGN),
            (signal.SIGCHLD, signal.SIG_DFL),
        ):
            signal.signal(number, answer)


if __name__ == "__main__":
    main()
