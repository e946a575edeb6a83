"""The data-set card: its numbers are those of the data, and its examples run."""

import datetime
import os
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from shard_edits import rewrite

from data_prep.verify import card
from data_prep.verify.inspection import Inspection
from data_prep.verify.verify import inspect
from fwi import shards
from fwi.config import StudyConfig
from fwi.manifest import DataSet
from fwi.origin import parse_origin
from fwi.shards import Samples


@pytest.fixture
def found(tiny_copy: StudyConfig) -> Inspection:
    """A sound set of the test's own, verified."""
    return inspect(DataSet.read(tiny_copy.storage.folder), resimulate=1)


def test_the_examples_of_the_card_run_in_its_folder(
    found: Inspection, monkeypatch: pytest.MonkeyPatch
) -> None:
    card.write(found)
    written = (found.data.folder / "README.md").read_text()
    monkeypatch.chdir(found.data.folder)

    own, xarrays = [run(code) for code in re.findall(r"```python\n(.*?)```", written, re.DOTALL)]

    first = shards.read(found.data.folder / "train-00000.h5")
    np.testing.assert_array_equal(own["samples"].velocity, first.velocity)
    np.testing.assert_array_equal(xarrays["gather"], first.gathers[0, 0])
    assert xarrays["gather"].time.attrs["units"] == "s"
    assert xarrays["gather"].receiver_x.attrs["units"] == "m"
    xarrays["shard"].close()


def test_the_numbers_of_the_card_are_those_of_the_data(found: Inspection) -> None:
    whole = [shards.read(found.data.folder / entry.file) for entry in found.data.entries]
    velocity = np.concatenate([samples.velocity for samples in whole])
    gathers = np.concatenate([samples.gathers for samples in whole]).astype(np.float32)

    written = card.text(found)

    assert "16 samples of velocity models and their shot gathers: 8 train, 4 validation, 4 test;" in written
    assert f"float32, {velocity.min():.0f} .. {velocity.max():.0f} m/s" in written
    assert f"| largest amplitude | {np.abs(gathers).max():.3g} |" in written
    assert "| shots | 4, at 80 .. 620 m, 20 m deep |" in written
    assert "| receivers | 36, at 0 .. 700 m, for every shot, 20 m deep |" in written
    assert "| time | 50 samples of 0.01 s |" in written
    assert f"0 of {16 * 4 * 36} traces are dead" in written
    salt = np.percentile([(model >= 4250).mean() for model in velocity], (10, 50, 90))
    assert f"| area share | {salt[0]:.3g} | {salt[1]:.3g} | {salt[2]:.3g} |" in written
    top = np.percentile([20 * (model >= 4250).any(axis=1).argmax() for model in velocity], (10, 50, 90))
    slow = np.percentile([(model < 2500).mean() - (model < 2000).mean() for model in velocity], (10, 50, 90))
    assert f"| cells at 2000..2500 m/s | {slow[0]:.3g} | {slow[1]:.3g} | {slow[2]:.3g} |" in written
    assert f"| crest depth [m] | {top[0]:.0f} | {top[1]:.0f} | {top[2]:.0f} |" in written


def test_time_to_make_it_is_the_sum_over_the_shards_that_were_timed(found: Inspection) -> None:
    entries = tuple(
        replace(entry, seconds=seconds)
        for entry, seconds in zip(found.data.entries, (4000.0, 3200.0, None, 0.0), strict=True)
    )
    found.data = replace(found.data, entries=entries)

    written = card.text(found)

    assert "2 h of one core, 600 s a sample (3 of 4 shards were timed)" in written


def test_every_source_is_named_with_its_licence(tiny_copy: StudyConfig) -> None:
    folder = tiny_copy.storage.folder
    source = {"file": "salt.npz", "key": None, "sha256": "0", "spacing": 20.0}
    rewrite(folder, "test-00000.h5", lambda samples: samples, parse_origin({"source": source}))
    found = inspect(DataSet.read(folder), resimulate=0)

    unknown = card.text(found)
    found.data = replace(found.data, provenance={"licence": "CC BY 4.0"})
    known = card.text(found)

    assert "`salt.npz`; licence: unknown: ask the author of salt.npz" in unknown
    assert "`salt.npz`; licence: CC BY 4.0" in known
    assert "random models of the preset `yang_ma`, seed 0" in unknown


def test_records_alone_have_a_card_too(tiny_copy: StudyConfig) -> None:
    folder = tiny_copy.storage.folder
    source = {"file": "field.segy", "key": None, "sha256": "0", "changes": ["gain: multiplied by 2"]}
    for entry in DataSet.read(folder).entries:
        rewrite(
            folder,
            entry.file,
            lambda s: Samples(s.gathers, None, None, s.seed),
            parse_origin({"source": source}),
        )
    found = inspect(DataSet.read(folder))

    assert card.write(found)

    written = (folder / "README.md").read_text()
    assert "16 samples of shot gathers:" in written
    assert "Statistics" not in written
    assert "order 8 in space" not in written, "nothing is simulated"
    assert "ask the author of field.segy\n  - gain: multiplied by 2\n" in written
    assert (folder / "card.png").stat().st_size > 1000


def test_a_card_is_replaced_and_somebody_s_own_readme_is_not(found: Inspection) -> None:
    readme = found.data.folder / "README.md"

    assert card.write(found)
    assert card.write(found)
    readme.write_text("My notes")
    assert not card.write(found)

    assert readme.read_text() == "My notes"


@pytest.mark.parametrize("kind", ["link", "dangling link", "pipe", "device"])
def test_what_is_in_the_place_of_a_card_and_no_file_is_left_alone(
    tiny_data: Path, tmp_path: Path, kind: str
) -> None:
    own = tmp_path / "precious.md"
    own.write_text(f"{card.MARK}\nprecious")
    readme = tmp_path / "README.md"
    if kind == "pipe":
        os.mkfifo(readme)
    else:
        targets = {"link": own, "dangling link": tmp_path / "nowhere", "device": Path("/dev/zero")}
        readme.symlink_to(targets[kind])
    data = replace(DataSet.read(tiny_data), folder=tmp_path)
    found = Inspection(data, datetime.datetime.now(datetime.UTC))

    assert not card.write(found)
    assert not card.withdraw(tmp_path)

    assert sorted(path.name for path in tmp_path.iterdir()) == ["README.md", "precious.md"]
    assert own.read_text() == f"{card.MARK}\nprecious"


def run(code: str) -> dict[str, Any]:
    """The names that an example leaves behind."""
    names: dict[str, Any] = {}
    exec(code, names)
    return names
