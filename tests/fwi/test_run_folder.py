import json
import re
import zipfile

import numpy as np
import pytest
import torch
from studies import make_endless

from fwi import checkpoints, run_folder
from fwi.config import ModelConfig, StudyConfig, TrainConfig
from fwi.run_folder import RunError


@pytest.fixture
def folder(tiny_study, tmp_path):
    """A run that has begun."""
    run_folder.begin(tmp_path / "run", tiny_study)
    return tmp_path / "run"


def checkpoint_of(study: StudyConfig) -> dict:
    return {"hyper_parameters": {"study": study.model_dump(mode="json")}, "state_dict": {}}


def write(folder, which, content) -> None:
    (folder / which).parent.mkdir(exist_ok=True)
    torch.save(content, folder / which)


def test_study_of_a_run_is_read_back_as_it_was_begun(folder, tiny_study):
    assert run_folder.read_study(folder) == tiny_study


def test_run_is_begun_once(folder, tiny_study):
    with pytest.raises(RunError, match="--resume"):
        run_folder.begin(folder, tiny_study)


def test_stages_are_noted_one_below_the_other(folder):
    run_folder.note(folder, "train", {"created": "yesterday"})
    run_folder.note(folder, "evaluate", {"created": "today"})

    noted = json.loads((folder / run_folder.PROVENANCE).read_text())
    assert noted == [{"stage": "train", "created": "yesterday"}, {"stage": "evaluate", "created": "today"}]


@pytest.mark.parametrize("data", [5, "all", [3], {"training": 3}, {"training": {}, "validation": {}}])
def test_damaged_note_of_the_samples_is_refused_by_name(data, folder):
    run_folder.note(folder, "train", {"data": data})

    with pytest.raises(RunError, match=r"provenance\.json: damaged"):
        run_folder.require_same_data(folder, {"training": {"samples": 2, "sha256": "0"}})


def test_mean_model_is_read_back(folder):
    model = np.random.default_rng(0).uniform(2000, 4500, (24, 36)).astype(np.float32)

    run_folder.write_mean_model(folder, model)

    np.testing.assert_array_equal(run_folder.read_mean_model(folder), model)


def flipped(path, bit: int) -> None:
    content = bytearray(path.read_bytes())
    content[bit // 8 % len(content)] ^= 1 << bit % 8
    path.write_bytes(content)


@pytest.mark.parametrize("bit", [8 * 200 + 5, 8 * 1000 + 20, 8 * 3000 + 7])
def test_mean_model_of_which_a_bit_has_changed_is_refused_by_name(folder, bit):
    run_folder.write_mean_model(folder, np.full((24, 36), 2500, np.float32))
    flipped(folder / run_folder.MEAN_MODEL, bit)

    with pytest.raises(RunError, match=r"mean_model\.npy has changed since it was written"):
        run_folder.read_mean_model(folder)


def test_study_that_has_changed_is_refused_unless_the_change_is_meant(folder, tiny_study):
    path = folder / run_folder.CONFIG
    path.write_text(path.read_text().replace("epochs: 40", "epochs: 41"))

    with pytest.raises(RunError, match=r"config\.yaml has changed .* delete its line in checksums\.json"):
        run_folder.read_study(folder)

    (folder / run_folder.CHECKSUMS).write_text("{}")
    assert run_folder.read_study(folder).train.epochs == 41


@pytest.mark.parametrize("content", ["", "{", "[]", "[" * 100_000, "\0"])
def test_damaged_checksums_are_refused_by_name(folder, content):
    (folder / run_folder.CHECKSUMS).write_text(content)

    with pytest.raises(RunError, match=r"checksums\.json: damaged"):
        run_folder.read_study(folder)


@pytest.mark.parametrize(
    ("name", "read"),
    [
        (run_folder.CHECKSUMS, lambda folder, _: run_folder.read_study(folder)),
        (run_folder.PROVENANCE, lambda folder, _: run_folder.notes(folder)),
        (run_folder.BEST, lambda folder, study: checkpoints.read(folder, run_folder.BEST, study)),
    ],
)
@pytest.mark.parametrize("kind", ["pipe", "device", "large"])
def test_what_may_never_end_is_not_read_for_a_run(kind, name, read, folder, tiny_study):
    path = folder / name
    path.parent.mkdir(exist_ok=True)
    path.unlink(missing_ok=True)
    make_endless(path, kind)

    with pytest.raises(RunError, match=path.name):
        read(folder, tiny_study)


def test_checkpoint_that_would_unpack_to_more_than_its_file_is_refused(folder, tiny_study):
    (folder / run_folder.BEST).parent.mkdir()
    with zipfile.ZipFile(folder / run_folder.BEST, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("best/data/0", bytes(10_000_000))

    with pytest.raises(RunError, match=r"best\.ckpt: .*parts are said to be larger than the file"):
        checkpoints.read(folder, run_folder.BEST, tiny_study)


def test_no_bit_of_a_checkpoint_changes_without_a_word(folder, tiny_study):
    weights = {"layer": torch.arange(64.0), "bias": torch.ones(3)}
    write(folder, run_folder.BEST, {**checkpoint_of(tiny_study), "state_dict": weights})
    path = folder / run_folder.BEST
    whole, random = path.read_bytes(), np.random.default_rng(0)
    refused = 0

    for bit in random.integers(8 * len(whole), size=400).tolist():
        path.write_bytes(whole)
        flipped(path, bit)
        try:
            read = checkpoints.read(folder, run_folder.BEST, tiny_study)["state_dict"]
        except RunError as refusal:
            refused += str(path) in str(refusal)
        else:  # it was in the padding between the parts
            assert read.keys() == weights.keys()
            assert all(torch.equal(read[name], weights[name]) for name in weights)

    assert refused > 200


@pytest.mark.parametrize("content", [None, b"", b"\x93NUMPY cut short"])
def test_missing_or_damaged_mean_model_is_named(folder, content):
    if content is not None:
        (folder / run_folder.MEAN_MODEL).write_bytes(content)

    with pytest.raises(ValueError, match=run_folder.MEAN_MODEL):
        run_folder.read_mean_model(folder)


def test_run_is_continued_with_its_own_study(folder, tiny_study):
    run_folder.require_own(folder, tiny_study)


def test_run_is_not_continued_with_another_study_and_what_differs_is_named(folder, tiny_study):
    run_folder.begin(
        folder / "short", tiny_study.model_copy(update={"train": TrainConfig(epochs=7, clip=0.5)})
    )

    with pytest.raises(RunError) as refusal:
        run_folder.require_own(folder / "short", tiny_study)  # at the defaults

    own = tiny_study.train
    assert f"train.epochs: {own.epochs} given, 7 in the run" in str(refusal.value)
    assert f"train.clip: {own.clip} given, 0.5 in the run" in str(refusal.value)
    assert "grid" not in str(refusal.value)


def test_checkpoint_of_the_run_is_read(folder, tiny_study):
    write(folder, run_folder.BEST, checkpoint_of(tiny_study))

    assert checkpoints.read(folder, run_folder.BEST, tiny_study)["state_dict"] == {}


def test_checkpoint_of_another_network_is_refused_naming_what_differs(folder, tiny_study):
    other = tiny_study.model_copy(update={"model": ModelConfig(channels=(8, 16))})
    write(folder, run_folder.BEST, checkpoint_of(other))

    with pytest.raises(RunError, match=re.escape("model.channels: [8, 16] in the checkpoint")):
        checkpoints.read(folder, run_folder.BEST, tiny_study)


def test_checkpoint_from_before_some_keys_of_a_study_is_read(folder, tiny_study):
    content = checkpoint_of(tiny_study)
    past = content["hyper_parameters"]["study"]
    del past["model"]["bottleneck"], past["model"]["resample"], past["survey"]["top"]
    past["check"]["since_removed"] = 0.5
    write(folder, run_folder.BEST, content)

    assert checkpoints.read(folder, run_folder.BEST, tiny_study)["state_dict"] == {}

    other = tiny_study.model_copy(update={"model": ModelConfig.model_validate({"resample": "stn"})})
    with pytest.raises(RunError, match=r"model.resample: \{'name': 'interpolate'\} in the checkpoint"):
        checkpoints.read(folder, run_folder.BEST, other)


def test_missing_checkpoint_is_refused(folder, tiny_study):
    with pytest.raises(RunError, match="has not finished an epoch"):
        checkpoints.read(folder, run_folder.BEST, tiny_study)


@pytest.mark.parametrize("kept", [0, 10, 300])
def test_truncated_checkpoint_is_refused(folder, tiny_study, kept):
    write(folder, run_folder.LAST, checkpoint_of(tiny_study))
    path = folder / run_folder.LAST
    path.write_bytes(path.read_bytes()[:kept])

    with pytest.raises(RunError, match=r"last\.ckpt: not a readable checkpoint"):
        checkpoints.read(folder, run_folder.LAST, tiny_study)


class Payload:
    """Code that a pickle would run when it is read."""

    def __reduce__(self):
        return print, ("a checkpoint must not run code",)


def test_checkpoint_that_would_run_code_is_refused(folder, tiny_study, capsys):
    write(folder, run_folder.BEST, {**checkpoint_of(tiny_study), "extra": Payload()})

    with pytest.raises(RunError, match="not a readable checkpoint"):
        checkpoints.read(folder, run_folder.BEST, tiny_study)
    assert "must not" not in capsys.readouterr().out
