"""The program ``fwi``, also as ``python -m experiments``: Ctrl-C is answered from the first import on."""

import sys


def main() -> None:
    """Run ``fwi``."""
    try:
        from experiments.cli import main as run

        run()
    except KeyboardInterrupt:
        print("fwi: error: interrupted", file=sys.stderr)
        raise SystemExit(2) from None


if __name__ == "__main__":
    main()
