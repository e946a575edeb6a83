"""Files that are whole or absent: whatever has its final name was written to its end."""

import contextlib
import fcntl
import hashlib
import io
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray


def write_whole(path: Path, content: str | bytes | memoryview) -> None:
    """Write a file under a temporary name beside the target, flush it to the disk, and rename it.

    Whatever goes wrong on the way (a full disk, Ctrl-C, a crash), the target keeps its former content, or
    stays absent.

    Raises:
        OSError: the folder is not writable or the disk is full; the temporary file is removed.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with open(temporary, "wb") as file:
            file.write(content.encode() if isinstance(content, str) else content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def write_npy(path: Path, array: NDArray[Any]) -> None:
    """Write an array as .npy, whole or not at all."""
    buffer = io.BytesIO()
    np.save(buffer, array)
    write_whole(path, buffer.getvalue())


def read_npy(path: Path) -> NDArray[Any]:
    """Read a .npy, unless it would run code.

    Raises:
        ValueError: the file is missing, damaged, or no plain array.
    """
    try:
        array: NDArray[Any] = np.load(path, allow_pickle=False)
    except FileNotFoundError:
        raise ValueError(f"{path}: no such file") from None
    except (OSError, ValueError, EOFError) as error:
        raise ValueError(f"{path}: not a readable .npy ({error})") from None
    return array


def remove_leftovers(folder: Path) -> None:
    """Remove the temporary files that a killed process left in a folder."""
    for leftover in folder.glob(".*.tmp"):
        leftover.unlink(missing_ok=True)


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Keep a folder to this process while the block runs; the lock ends with the process, whatever ends it.

    Raises:
        BlockingIOError: another process holds it.
    """
    handle = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BlockingIOError(
                f"{folder}: another command is writing here; wait until it has ended"
            ) from None
        except OSError:
            pass  # some network file systems cannot lock a folder
        yield
    finally:
        os.close(handle)


def sha256(path: Path) -> str:
    """SHA-256 of a file's content, read in pieces."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
