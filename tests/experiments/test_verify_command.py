"""``fwi verify``: what it says, what it writes, and with which exit code it ends."""

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from shard_edits import flip_byte, rewrite

from experiments.cli import main
from fwi.config import StudyConfig
from fwi.manifest import DataSet
from fwi.origin import parse_origin


def test_a_sound_set_is_described_and_gets_its_card(
    tiny_copy: StudyConfig, study_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tiny_copy.storage.folder

    main(["verify", str(folder), "--config", str(study_file), "--samples", "2"])

    said = capsys.readouterr().out
    assert f"{folder}: 8 train, 4 validation, 4 test" in said
    assert "2 samples to simulate again were drawn with --seed " in said
    assert "2 models, drawn at random and simulated again, give the stored records" in said
    assert f"wrote {folder / 'README.md'} and card.png" in said
    assert "note:" not in said
    assert (folder / "card.png").read_bytes().startswith(b"\x89PNG")


def test_all_problems_are_listed_with_exit_code_2_and_without_a_card(
    tiny_copy: StudyConfig, study_file: Path, tmp_path: Path, refused: Callable[..., str]
) -> None:
    folder = tiny_copy.storage.folder
    (folder / "train-00000.h5").unlink()
    flip_byte(folder / "test-00000.h5", 0.7)
    changes = tmp_path / "changes.yaml"
    changes.write_text("survey: {receivers: 18}")

    said = refused("verify", folder, "--config", study_file, "--config", changes, "--samples", 0)

    assert f"{folder}: 3 problems" in said
    assert "train-00000.h5: missing" in said
    assert "test-00000.h5: its content changed" in said
    assert "survey.receivers: 36 against 18" in said
    assert not (folder / "README.md").exists()


def test_each_run_draws_other_samples_and_says_how_to_draw_them_again(
    tiny_copy: StudyConfig, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = str(tiny_copy.storage.folder)

    def seeds(*flags: str) -> list[str]:
        main(["verify", folder, "--samples", "1", *flags])
        return re.findall(r"--seed (\d+)", capsys.readouterr().out)

    first, second, third = seeds(), seeds(), seeds("--seed", "5")

    assert len(first) == len(second) == 1
    assert first != second
    assert third == ["5"]


def test_a_card_of_better_days_is_removed_and_somebody_s_readme_is_not(
    tiny_copy: StudyConfig, capsys: pytest.CaptureFixture[str], refused: Callable[..., str]
) -> None:
    folder = tiny_copy.storage.folder
    main(["verify", str(folder), "--samples", "0"])
    flip_byte(folder / "test-00000.h5", 0.7)

    refused("verify", folder, "--samples", 0)
    removed = not (folder / "README.md").exists() and not (folder / "card.png").exists()
    (folder / "README.md").write_text("My notes")
    refused("verify", folder, "--samples", 0)

    assert removed
    assert (folder / "README.md").read_text() == "My notes"


def test_other_sets_that_were_compared_are_named(
    tiny_copy: StudyConfig, tiny_data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tiny_copy.storage.folder

    main(["verify", str(folder), "--samples", "0", "--against", str(tiny_data)])

    said = capsys.readouterr().out
    compared = f"every sample was compared by content, mirrored too, with the 16 of {tiny_data}"
    assert "is in two splits, of this set or of those it was compared with" in said
    assert compared in said
    assert compared in (folder / "README.md").read_text()


@pytest.mark.usefixtures("pool_here")
def test_repair_makes_a_damaged_set_sound(
    tiny_copy: StudyConfig, tiny_data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tiny_copy.storage.folder
    flip_byte(folder / "test-00000.h5", 0.7)

    main(["verify", str(folder), "--repair", "--samples", "0", "--workers", "1"])

    said = capsys.readouterr().out
    assert "test-00000.h5: made again, byte for byte what it was" in said
    assert (folder / "test-00000.h5").read_bytes() == (tiny_data / "test-00000.h5").read_bytes()
    assert (folder / "README.md").exists()


def test_repair_by_a_manifest_that_the_shards_contradict_is_refused_and_the_card_is_withdrawn(
    tiny_copy: StudyConfig, refused: Callable[..., str]
) -> None:
    folder = tiny_copy.storage.folder
    main(["verify", str(folder), "--samples", "0"])
    data = DataSet.read(folder)
    replace(data, recipe=data.recipe | {"physics": data.recipe["physics"] | {"pml_width": 13}}).write()
    whole = {path: path.read_bytes() for path in folder.glob("train-*.h5")}
    flip_byte(folder / "test-00000.h5", 0.7)

    said = refused("verify", folder, "--repair", "--samples", 0, "--workers", 1)

    assert "manifest.json: the manifest is wrong, not the shards, so nothing was repaired; delete it" in said
    assert "4 of 4 shards say otherwise, such as train-00000.h5" in said
    assert "physics.pml_width: 13 against 12" in said
    assert {path: path.read_bytes() for path in whole} == whole
    assert not (folder / "README.md").exists()


def test_what_repair_cannot_make_is_left_and_named(
    tiny_copy: StudyConfig, refused: Callable[..., str]
) -> None:
    folder = tiny_copy.storage.folder
    source = {"file": "salt.npz", "key": "train", "sha256": "0", "spacing": 10.0}
    rewrite(folder, "test-00000.h5", lambda samples: samples, parse_origin({"source": source}))
    flip_byte(folder / "test-00000.h5", 0.7)

    said = refused("verify", folder, "--repair", "--samples", 0)

    assert "1 problem\n" in said
    assert "salt.npz --key train --spacing 10.0 --split test" in said


def test_the_licence_is_kept_for_later_cards(tiny_copy: StudyConfig) -> None:
    folder = tiny_copy.storage.folder
    source = {"file": "salt.npz", "key": None, "sha256": "0", "spacing": 20.0}
    rewrite(folder, "test-00000.h5", lambda samples: samples, parse_origin({"source": source}))

    main(["verify", str(folder), "--samples", "0", "--licence", "CC BY 4.0"])
    main(["verify", str(folder), "--samples", "0"])

    assert json.loads((folder / "manifest.json").read_text())["provenance"]["licence"] == "CC BY 4.0"
    assert "`salt.npz`; licence: CC BY 4.0" in (folder / "README.md").read_text()


@pytest.mark.parametrize("arguments", [("--samples", "-1"), ("--seed", "-1"), ("--config", "nowhere.yaml")])
def test_impossible_requests_are_refused(
    tiny_data: Path, arguments: tuple[str, str], refused: Callable[..., str]
) -> None:
    said = refused("verify", tiny_data, *arguments)

    assert f"{arguments[0]} {arguments[1]}" in said or "nowhere.yaml: no such file" in said
