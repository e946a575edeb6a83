"""Output to the terminal, with control characters of names escaped.

Names of files, keys and attributes may come from others, and may hold sequences that colour the terminal,
rename its window or hide text beside them. All output of a command passes through here, so that messages
need not escape names themselves.
"""

import contextlib
import sys
from collections.abc import Iterator
from typing import Any, TextIO, cast

CONTROLS = (*range(0x20), *range(0x7F, 0xA0))
"""Control characters, such as escape, which are shown as escapes except for tabs and newlines."""
TURNING = (0x061C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A))
"""Characters that reverse the direction of writing, by which one name can look like another."""

_SHOWN = {code: f"\\x{code:02x}" for code in CONTROLS if chr(code) not in "\t\n"}
_SHOWN |= {code: f"\\u{code:04x}" for code in TURNING}


@contextlib.contextmanager
def escaped() -> Iterator[None]:
    r"""Show control characters of what is printed while the block runs, as ``\x1b``."""
    before = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = (cast(TextIO, _Escaped(stream)) for stream in before)
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before


def unescaped(stream: TextIO) -> TextIO:
    """Return the underlying stream, for code that draws on the terminal and prints no names."""
    while isinstance(stream, _Escaped):
        stream = stream.below
    return stream


def shown(text: str, encoding: str = "utf-8") -> str:
    """A text as a terminal may have it: control characters, and what its encoding lacks, as escapes.

    A carriage return stays where the text begins with it: it is a line of progress that goes over the last.
    """
    first = "\r" if text.startswith("\r") else ""
    plain = text[len(first) :].translate(_SHOWN)
    return first + plain.encode(encoding, "backslashreplace").decode(encoding)


class _Escaped:
    """A stream that shows control characters, and is the stream below in all else."""

    def __init__(self, below: TextIO) -> None:
        self.below = below

    def write(self, text: str) -> int:
        self.below.write(shown(text, self.below.encoding or "utf-8"))
        return len(text)

    def writelines(self, lines: Iterator[str]) -> None:
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.below, name)
