"""Files that are written completely or not at all: a file with its final name is complete."""

import contextlib
import fcntl
import hashlib
import io
import math
import os
import platform
import secrets
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from fwi.memory import amount

READ_AT_ONCE = 2**26
"""Size in bytes up to which an array is read whatever its shape."""

NPY_HEADER = 10_000
"""Length in bytes of the longest .npy header that NumPy reads."""


def write_whole(path: Path, content: str | bytes | memoryview) -> None:
    """Write a file under a temporary name beside the target, flush it to the disk, and rename it.

    Whatever goes wrong on the way (a full disk, Ctrl-C, a crash), the target keeps its former content, or
    stays absent. No link is followed: a target that is one is replaced, and what it points to is left alone.

    Raises:
        OSError: the folder is not writable or the disk is full; the temporary file is removed.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # A random name: processes of two machines can have the same number.
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        with open(temporary, "xb") as file:  # never through a link that somebody has put there
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


def write_end(path: Path, position: int, content: bytes) -> None:
    """Write a file anew from a position on; what precedes stays as it is, and links are not followed.

    This is for files that grow entry by entry, whose readers tell an entry that was torn by a crash.

    Args:
        path: the file.
        position: byte from which it is written.
        content: what is written there.

    Raises:
        OSError: the file is missing, or a link.
    """
    descriptor = os.open(path, os.O_WRONLY | os.O_NOFOLLOW)
    with os.fdopen(descriptor, "wb", closefd=True) as file:
        file.seek(position)
        file.write(content)
        file.truncate()


def write_npy(path: Path, array: NDArray[Any]) -> None:
    """Write an array as .npy, whole or not at all.

    Args:
        path: the file; its folder is made if need be.
        array: the array, of any shape.
    """
    buffer = io.BytesIO()
    np.save(buffer, array)
    write_whole(path, buffer.getvalue())


def read_npy(path: Path, wanted: tuple[int, ...] | None = None) -> NDArray[Any]:
    """Read a .npy, unless it would run code; a large one is mapped, read only, and read where it is used.

    Args:
        path: the file.
        wanted: shape of the array wanted, or of each of its samples. A large array of another shape is
            refused by its header; a small one is left to the caller, who knows better what is wrong with it.

    Raises:
        ValueError: the file is missing, damaged, too large, or no plain array.
    """
    require_regular(path)
    try:
        with open(path, "rb") as file:
            shape, _, dtype = npy_header(file)
            stored, stated = path.stat().st_size - file.tell(), math.prod(shape) * dtype.itemsize
        if stored < stated:
            raise ValueError(f"its header says {amount(stated)}, but {amount(stored)} follow it")
        large = stated > READ_AT_ONCE
        if large and wanted is not None and wanted not in (shape, shape[1:]):
            raise ValueError(f"its header says {amount(stated)} of shape {shape}; {wanted} is wanted")
        array: NDArray[Any] = np.load(path, "r" if large else None, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise ValueError(f"{path}: not a readable .npy ({error})") from None
    return array


def npy_header(file: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Read shape, Fortran order and type of an array in .npy format, up to the first value of the array.

    Raises:
        ValueError: this is no .npy header; a header that is too long is refused before it is read.
    """
    version = np.lib.format.read_magic(file)
    size = 2 if version == (1, 0) else 4
    length = file.read(size)
    stated = int.from_bytes(length, "little")
    if stated > NPY_HEADER:
        raise ValueError(f"its header is said to have {stated} bytes")
    header = io.BytesIO(length + file.read(stated))
    read = np.lib.format.read_array_header_1_0 if size == 2 else np.lib.format.read_array_header_2_0
    shape, fortran, dtype = read(header)
    if any(not 0 <= length < 2**63 for length in shape):
        raise ValueError(f"its header says the shape {shape}")
    return shape, fortran, dtype


def require_regular(path: Path) -> None:
    """Refuse a path that is not a regular file, such as a folder, a device or a pipe.

    Raises:
        ValueError: the path is not a regular file; the message says what it is.
    """
    try:
        mode = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        raise ValueError(f"{path}: no such file") from None
    if not stat.S_ISREG(mode):
        what = "a folder" if stat.S_ISDIR(mode) else "a pipe" if stat.S_ISFIFO(mode) else "a device or socket"
        raise ValueError(f"{path}: is {what}; name a file")


def read_regular(path: Path, limit: int) -> bytes:
    """Read a whole regular file of limited size.

    Args:
        path: the file, or a link to it.
        limit: largest size in bytes.

    Raises:
        ValueError: the file is missing, too large, or not a regular file.
        OSError: it cannot be read.
    """
    require_regular(path)
    with open(path, "rb") as file:
        content = file.read(limit + 1) if path.stat().st_size <= limit else None
    if content is None or len(content) > limit:
        raise ValueError(f"{path}: larger than {limit / 1e6:g} MB, which no such file is")
    return content


def appending(path: Path) -> IO[str]:
    """Open a text file to write at its end, unless it is a link to another.

    Raises:
        OSError: it is a link, or not writable.
    """
    return open(os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW, 0o666), "a")


def read_own(path: Path, limit: int) -> bytes:
    """Read a file of a folder that is passed on to others; links, pipes and devices are refused.

    Args:
        path: the file.
        limit: largest size in bytes.

    Raises:
        FileNotFoundError: the file is missing.
        ValueError: it is too large, or not a regular file.
        OSError: it cannot be read.
    """
    # Nothing else is opened: a pipe would wait for its writer, and some devices act at being opened.
    if not stat.S_ISREG(path.lstat().st_mode):
        raise ValueError(f"{path}: not a regular file (a link, folder, pipe or device); put the file there")
    with open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as file:
        content = file.read(limit + 1)
    if len(content) > limit:
        raise ValueError(f"{path}: larger than {limit / 1e6:g} MB, which no such file is")
    return content


def refuse_links(folder: Path, *names: str) -> None:
    """Refuse subfolders that are links, because files written there would end up elsewhere.

    The outer folder itself may be a link, such as to a larger disk, because the user has named it.

    Args:
        folder: a data set, a run, or the like.
        names: the folders in it that are about to be used.

    Raises:
        ValueError: one of them is a link.
    """
    for name in names:
        path = folder / name
        if path.is_symlink():
            raise ValueError(
                f"{path}: a link to {path.readlink()}, and no folder of its own; remove the link, or move "
                f"all of {folder} to where there is room and make a link of that"
            )


def remove_leftovers(folder: Path, pattern: str) -> None:
    """Remove temporary files and locks that killed processes left in a folder.

    Args:
        folder: the folder.
        pattern: names of files that are only written under a claim; files of a claim in force are kept.
    """
    for leftover in [*folder.glob(f".{pattern}.*.tmp"), *folder.glob(f".{pattern}.lock")]:
        if leftover.is_dir() and not leftover.is_symlink():
            continue  # nothing of ours
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

    What has a lock's name and is no file (a link, a pipe) is removed and never written through; a file that
    has other names as well is not written to.

    Args:
        path: the file, which need not exist; its folder does.
        wait: wait until the claim is free.

    Yields:
        Whether the claim is ours, as it always is after waiting.

    Raises:
        OSError: the folder is not writable, or a folder has the lock's name.
    """
    lock = path.with_name(f".{path.name}.lock")
    handle = _locked_handle(lock, wait)
    if handle is None:
        yield False
        return
    try:
        with contextlib.suppress(OSError):  # a full disk
            if os.fstat(handle).st_nlink <= 1:
                os.truncate(handle, 0)
                os.write(handle, f"{platform.node()} {os.getpid()}\n".encode())
        yield True
    finally:
        lock.unlink(missing_ok=True)  # before the lock ends: who waits for it sees that the file is gone
        os.close(handle)


def _locked_handle(lock: Path, wait: bool) -> int | None:
    while True:
        _remove_unless_file(lock)
        try:
            handle = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK, 0o666)
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
            if os.path.samestat(os.fstat(handle), lock.lstat()):
                return handle
        os.close(handle)  # its owner has removed it meanwhile


def _remove_unless_file(lock: Path) -> None:
    with contextlib.suppress(FileNotFoundError):
        mode = lock.lstat().st_mode
        if stat.S_ISDIR(mode):
            raise OSError(f"{lock}: a folder, where this command keeps a lock file; remove it")
        if not stat.S_ISREG(mode):
            lock.unlink()


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Lock a folder for this process while the block runs; the lock ends with the process in any case.

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
