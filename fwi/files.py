"""Files that are whole or absent: whatever has its final name was written to its end."""

import contextlib
import fcntl
import hashlib
import io
import os
import platform
import secrets
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
    # By chance, not by process: those of two machines can have the same number.
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        with open(temporary, "wb") as file:
            file.write(content.encode() if isinstance(content, str) else content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        if error.errno is not None:  # from the system: name the file that its user knows
            error.filename = str(path)
        raise
    finally:
        with contextlib.suppress(OSError):  # a read-only file system refuses even what is not there
            temporary.unlink()


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


def remove_leftovers(folder: Path, pattern: str) -> None:
    """Remove what killed processes left in a folder: temporary files and locks.

    Args:
        folder: where to look.
        pattern: names of files that are only written under a claim; what belongs to a claim in force stays.
    """
    for leftover in [*folder.glob(f".{pattern}.*.tmp"), *folder.glob(f".{pattern}.lock")]:
        name = leftover.name[1:].rsplit(".", 2 if leftover.suffix == ".tmp" else 1)[0]
        with claimed(folder / name) as ours:
            if ours:
                leftover.unlink(missing_ok=True)


@contextlib.contextmanager
def claimed(path: Path, wait: bool = False) -> Iterator[bool]:
    """Claim a file: while the block runs, no other process on any machine gets the claim.

    The claim is a lock (flock) on ``.NAME.lock`` beside the file, in which its owner writes its host and
    process. The system ends it with the process, whatever ends that, so a killed run blocks nobody; on a
    network file system the server does so, soon after it lost the machine. It must reach all machines, as it
    does on NFS (Linux 2.6.12 and later), GPFS, and Lustre mounted with ``flock``. Where a file system has no
    locks everybody gets the claim: files are still whole, because they are renamed into place, but two
    processes may write the same one.

    Args:
        path: the file, which need not exist; its folder does.
        wait: wait until the claim is free.

    Yields:
        Whether the claim is ours, as it always is after waiting.

    Raises:
        OSError: the folder is not writable.
    """
    lock = path.with_name(f".{path.name}.lock")
    handle = _locked_handle(lock, wait)
    if handle is None:
        yield False
        return
    try:
        with contextlib.suppress(OSError):  # a full disk
            os.truncate(handle, 0)
            os.write(handle, f"{platform.node()} {os.getpid()}\n".encode())
        yield True
    finally:
        lock.unlink(missing_ok=True)  # before the lock ends: who waits for it sees that the file is gone
        os.close(handle)


def _locked_handle(lock: Path, wait: bool) -> int | None:
    while True:
        try:
            handle = os.open(lock, os.O_RDWR | os.O_CREAT, 0o666)
        except OSError as error:  # name the file that its user knows
            error.filename = str(lock.with_name(lock.name[1:].removesuffix(".lock")))
            raise
        try:
            fcntl.flock(handle, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(handle)
            return None
        except OSError:
            return handle  # no locks here
        except BaseException:
            os.close(handle)
            raise
        with contextlib.suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(handle), lock.stat()):
                return handle
        os.close(handle)  # its owner has removed it meanwhile


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
