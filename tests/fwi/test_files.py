"""Files that are whole or absent, claims on them by one process at a time, and what is in their way."""

import errno
import multiprocessing
import os
import re
import secrets
import signal
import threading
import tracemalloc
from collections.abc import Callable
from multiprocessing.synchronize import Event
from pathlib import Path

import numpy as np
import pytest

from fwi.files import (
    appending,
    claimed,
    read_npy,
    read_own,
    refuse_links,
    remove_leftovers,
    write_end,
    write_whole,
)

ROOT = Path(__file__).parents[2]

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


# -- what strangers put in the way


@pytest.fixture
def precious(tmp_path: Path) -> Path:
    """A file outside the folder that is written to."""
    path = tmp_path / "outside" / "precious.txt"
    path.parent.mkdir()
    path.write_text("precious")
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of ours."""
    path = tmp_path / "set"
    path.mkdir()
    return path


def test_a_link_in_the_place_of_a_file_is_replaced_and_what_it_points_to_is_left_alone(
    folder: Path, precious: Path
) -> None:
    (folder / "a.png").symlink_to(precious)
    (folder / "b.png").hardlink_to(precious)

    for name in ("a.png", "b.png"):
        write_whole(folder / name, "figure")

    assert precious.read_text() == "precious"
    assert [(path.is_symlink(), path.read_text()) for path in folder.iterdir()] == [(False, "figure")] * 2


def test_a_link_in_the_place_of_a_temporary_file_is_not_written_through(
    folder: Path, precious: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(secrets, "token_hex", lambda count: "0123")
    (folder / ".a.png.0123.tmp").symlink_to(precious)

    with pytest.raises(FileExistsError):
        write_whole(folder / "a.png", "figure")

    assert precious.read_text() == "precious"


def test_the_end_of_a_file_is_written_anew_and_not_through_a_link(folder: Path, precious: Path) -> None:
    (folder / "journal").write_bytes(b"kept torn entry")

    write_end(folder / "journal", 5, b"whole")
    (folder / "link").symlink_to(precious)
    with pytest.raises(OSError, match="link"):
        write_end(folder / "link", 0, b"lost")

    assert (folder / "journal").read_bytes() == b"kept whole"
    assert precious.read_text() == "precious"


def test_nothing_in_the_program_writes_to_files_by_itself() -> None:
    by_itself = re.compile(
        r"""\bopen\([^)]*["'](?:[wax]|r\+)b?\+?["']|\.write_(?:text|bytes)\(|np\.savez?\(|torch\.save\(|savefig\("""
    )
    program = [
        path for package in ("fwi", "data_prep", "experiments") for path in (ROOT / package).rglob("*.py")
    ]

    found = {
        f"{path.relative_to(ROOT)}: {line.strip()}"
        for path in program
        if path != ROOT / "fwi" / "files.py"
        for line in path.read_text().splitlines()
        if by_itself.search(line) and "buffer" not in line  # in memory, for write_whole
    }

    assert len(program) > 50
    assert found == set()


def test_a_folder_that_is_a_link_to_a_larger_disk_is_written_to(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "data").symlink_to(folder)

    with claimed(tmp_path / "data" / "a.h5") as ours:
        write_whole(tmp_path / "data" / "a.h5", "shard")

    assert ours
    assert (folder / "a.h5").read_text() == "shard"


@pytest.mark.parametrize(
    "put",
    [
        lambda lock, precious: lock.symlink_to(precious),
        lambda lock, precious: lock.symlink_to(precious.with_name("not there yet")),
        lambda lock, precious: lock.symlink_to(precious.parent),
        lambda lock, precious: lock.hardlink_to(precious),
        lambda lock, precious: os.mkfifo(lock),
    ],
    ids=["link", "dangling link", "link to a folder", "hard link", "pipe"],
)
def test_what_has_a_lock_s_name_and_is_no_lock_is_never_written_to_and_removed(
    folder: Path, precious: Path, put: Callable[[Path, Path], object]
) -> None:
    put(folder / ".a.h5.lock", precious)

    remove_leftovers(folder, "*.h5")
    put(folder / ".a.h5.lock", precious)
    with claimed(folder / "a.h5", wait=True) as ours, claimed(folder / "a.h5") as theirs:
        pass

    assert (ours, theirs) == (True, False)
    assert precious.read_text() == "precious"
    assert list(precious.parent.iterdir()) == [precious]
    assert list(folder.iterdir()) == []


def test_a_folder_with_a_lock_s_name_is_named_and_one_with_that_of_a_temporary_file_stays(
    folder: Path,
) -> None:
    for name in (".a.h5.lock", ".a.h5.0123.tmp"):
        (folder / name).mkdir()

    remove_leftovers(folder, "*.h5")
    with (
        pytest.raises(OSError, match=r"\.a\.h5\.lock: a folder, where .* lock file; remove it"),
        claimed(folder / "a.h5"),
    ):
        pass

    assert len(list(folder.iterdir())) == 2


def test_a_link_among_the_leftovers_is_removed_and_what_it_points_to_stays(
    folder: Path, precious: Path
) -> None:
    (folder / ".a.h5.0123.tmp").symlink_to(precious)

    remove_leftovers(folder, "*.h5")

    assert list(folder.iterdir()) == []
    assert precious.read_text() == "precious"


def test_nothing_is_added_to_the_end_of_a_file_through_a_link(folder: Path, precious: Path) -> None:
    (folder / "link.log").symlink_to(precious)

    for line in ("first\n", "second\n"):
        with appending(folder / "own.log") as file:
            file.write(line)
    with pytest.raises(OSError, match="symbolic links"):
        appending(folder / "link.log")

    assert (folder / "own.log").read_text() == "first\nsecond\n"
    assert precious.read_text() == "precious"


def test_only_regular_files_of_a_sensible_size_are_read_to_be_handed_on(folder: Path, precious: Path) -> None:
    (folder / "link").symlink_to(precious)
    (folder / "device").symlink_to("/dev/zero")
    os.mkfifo(folder / "pipe")
    (folder / "folder").mkdir()

    for name in ("link", "device", "pipe", "folder"):
        with pytest.raises(ValueError, match=f"{name}: not a regular file"):
            read_own(folder / name, 100)
    with pytest.raises(ValueError, match=r"precious\.txt: larger than"):
        read_own(precious, 7)

    assert read_own(precious, 8) == b"precious"


def test_a_folder_inside_that_is_a_link_is_refused_with_where_it_leads(folder: Path, precious: Path) -> None:
    (folder / "own").mkdir()
    (folder / "link").symlink_to(precious.parent)

    refuse_links(folder, "own", "not there")
    with pytest.raises(ValueError, match=rf"link: a link to {precious.parent}, .* remove the link"):
        refuse_links(folder, "own", "link")


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
