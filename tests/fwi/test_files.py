"""Claims on files: one process at a time, whatever becomes of the others."""

import errno
import multiprocessing
import os
import signal
import threading
import tracemalloc
from multiprocessing.synchronize import Event
from pathlib import Path

import numpy as np
import pytest

from fwi.files import claimed, read_npy, remove_leftovers, write_whole

processes = multiprocessing.get_context("fork")  # nothing of theirs needs more than this file


def test_an_error_of_the_disk_names_the_file_and_not_its_temporary_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left") as at_the_end:
        write_whole(tmp_path / "a.npy", b"")
    monkeypatch.undo()
    (tmp_path / "folder").mkdir()
    with pytest.raises(IsADirectoryError) as at_the_renaming:
        write_whole(tmp_path / "folder", b"")

    assert at_the_end.value.filename == str(tmp_path / "a.npy")
    assert at_the_renaming.value.filename == str(tmp_path / "folder")


def test_a_claim_is_refused_to_another_and_free_again_afterwards(tmp_path: Path) -> None:
    path = tmp_path / "shard.h5"

    with claimed(path) as first, claimed(path) as second, claimed(tmp_path / "other.h5") as other:
        pass
    with claimed(path) as third:
        pass

    assert (first, second, other, third) == (True, False, True, True)
    assert list(tmp_path.iterdir()) == []


def test_the_claim_of_a_killed_process_blocks_nobody(tmp_path: Path) -> None:
    path, has_it = tmp_path / "shard.h5", processes.Event()
    holder = processes.Process(target=hold, args=(path, has_it))
    holder.start()
    has_it.wait()

    with claimed(path) as while_it_lives:
        pass
    owner = (tmp_path / ".shard.h5.lock").read_text().split()
    os.kill(holder.pid, signal.SIGKILL)
    holder.join()
    with claimed(path) as afterwards:
        pass

    assert owner == [os.uname().nodename, str(holder.pid)]
    assert (while_it_lives, afterwards) == (False, True)
    assert list(tmp_path.iterdir()) == []


def test_of_many_processes_that_wait_for_a_claim_one_has_it_at_a_time(tmp_path: Path) -> None:
    (tmp_path / "count").write_text("0")
    crowd = [processes.Process(target=count, args=(tmp_path / "count", 50)) for _ in range(6)]

    for process in crowd:
        process.start()
    for process in crowd:
        process.join()

    assert (tmp_path / "count").read_text() == "300"
    assert [path.name for path in tmp_path.iterdir()] == ["count"]


def test_who_waits_gets_the_claim_once_it_is_free(tmp_path: Path) -> None:
    path, got = tmp_path / "shard.h5", threading.Event()

    def wait_for_it() -> None:
        with claimed(path, wait=True):
            got.set()

    with claimed(path):
        waiting = threading.Thread(target=wait_for_it)
        waiting.start()
        too_early = got.wait(0.1)
    waiting.join(10)

    assert not too_early
    assert got.is_set()


def test_leftovers_of_the_dead_are_removed_and_what_is_being_written_stays(tmp_path: Path) -> None:
    dead = [".dead-0.h5.1f3a.tmp", ".dead-1.h5.lock", ".dead-2.h5.lock", ".dead-2.h5.07bc.tmp"]
    kept = ["whole.h5", ".live-0.h5.99ab.tmp", ".notes.txt.1234.tmp"]
    for name in (*dead, *kept):
        (tmp_path / name).touch()

    with claimed(tmp_path / "live-0.h5"):
        remove_leftovers(tmp_path, "*.h5")
        left = {path.name for path in tmp_path.iterdir()}

    assert left == {*kept, ".live-0.h5.lock"}


# -- helpers


def hold(path: Path, has_it: Event) -> None:
    with claimed(path):
        has_it.set()
        signal.pause()


def count(path: Path, times: int) -> None:
    for _ in range(times):
        with claimed(path, wait=True):
            path.write_text(str(int(path.read_text()) + 1))


def header(shape: tuple[int, ...]) -> bytes:
    described = f"{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}".ljust(117) + "\n"
    return b"\x93NUMPY\x01\x00" + len(described).to_bytes(2, "little") + described.encode()


def test_an_array_is_read_as_it_was_written(tmp_path: Path) -> None:
    array = np.arange(24.0).reshape(2, 3, 4)
    np.save(tmp_path / "a.npy", np.asfortranarray(array))

    np.testing.assert_array_equal(read_npy(tmp_path / "a.npy"), array)


def test_an_array_that_says_more_than_its_file_holds_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.npy").write_bytes(header((100_000, 100_000)) + bytes(100))

    with pytest.raises(ValueError, match=r"its header says 40\.00 GB, but 100 bytes follow it"):
        read_npy(tmp_path / "a.npy")


def test_a_large_array_of_another_shape_than_wanted_is_refused_by_its_header(tmp_path: Path) -> None:
    (tmp_path / "a.npy").write_bytes(header((100_000, 100_000)))
    os.truncate(tmp_path / "a.npy", 128 + 4 * 10**10)  # sparse: it takes no room on the disk

    with pytest.raises(ValueError, match=r"40\.00 GB of shape \(100000, 100000\); \(24, 36\) is wanted"):
        read_npy(tmp_path / "a.npy", (24, 36))


def test_of_many_samples_only_those_that_are_used_are_read(tmp_path: Path) -> None:
    (tmp_path / "a.npy").write_bytes(header((10**7, 24, 36)))
    os.truncate(tmp_path / "a.npy", 128 + 4 * 24 * 36 * 10**7)

    tracemalloc.start()
    array = read_npy(tmp_path / "a.npy", (24, 36))
    sample = array[10**7 - 1].sum()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert (array.shape, sample) == ((10**7, 24, 36), 0)
    assert peak < 1e6


def test_what_has_no_end_is_refused_before_it_is_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.npy")
    (tmp_path / "device.npy").symlink_to("/dev/zero")

    for name, what in (("pipe.npy", "a pipe"), ("device.npy", "a device"), (".", "a folder")):
        with pytest.raises(ValueError, match=f"is {what}"):
            read_npy(tmp_path / name)
    with pytest.raises(ValueError, match="no such file"):
        read_npy(tmp_path / "missing.npy")
