"""Claims on files: one process at a time, whatever becomes of the others."""

import errno
import multiprocessing
import os
import signal
import threading
from multiprocessing.synchronize import Event
from pathlib import Path

import pytest

from fwi.files import claimed, remove_leftovers, write_whole

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


def test_an_error_of_a_read_only_file_system_names_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: object, *arguments: object, **others: object) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(path))

    for function in ("open", "unlink"):  # which refuses even what is not there
        monkeypatch.setattr(os, function, refuse)
    monkeypatch.setattr("builtins.open", refuse)
    with pytest.raises(OSError, match="Read-only") as written:
        write_whole(tmp_path / "x.png", b"")
    with pytest.raises(OSError, match="Read-only") as claim, claimed(tmp_path / "shard.h5"):
        pass
    monkeypatch.undo()

    assert written.value.filename == str(tmp_path / "x.png")
    assert claim.value.filename == str(tmp_path / "shard.h5")


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
