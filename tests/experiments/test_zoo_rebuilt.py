"""The commands of the cards: they make the networks of the zoo."""

import functools
import shlex

import pytest
from trainings import assert_same_training, table, train_until

import fwi
from experiments import train as train_module
from experiments.cli import main
from fwi import zoo
from fwi.run_folder import read_study

SMALL = "--storage.train 8 --storage.validation 2 --storage.test 0 --storage.samples-per-shard 2"
"""Flags after those of a card, which make its data set one of ten samples."""
SHORT = (
    "--train.epochs 5 --train.batch-size 4 --train.precision 32 --train.devices 1 --data.workers 0 "
    "--trust.no-after-training --tracking.mode disabled"
)
"""Flags after those of a card, which make its training one of ten steps in this process."""
LOSSES = (0.774546, 0.762635, 0.753522, 0.746282, 0.743252)
"""Loss of the five epochs of that training of salt-demo, on one thread of a processor with AVX-512."""
TOLERANCE = 1e-3
"""Largest relative difference from these losses; instructions of AVX2 or SSE make one of 0.00025."""


def commands(name: str, of: str) -> list[list[str]]:
    """The arguments of those commands of a card that begin with ``fwi`` and a word."""
    words = [shlex.split(command) for command in zoo.card(name).commands]
    assert all(each[0] == "fwi" for each in words)
    return [each[1:] for each in words if each[1] == of]


@pytest.mark.slow
def test_ten_steps_by_the_demo_network_s_card_have_its_losses_also_if_they_are_stopped(
    pool_here, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    simulate, train = commands("salt-demo", "simulate")[0], commands("salt-demo", "train")[0]
    main([*simulate, *shlex.split(SMALL), "--storage.folder", "data"])
    flags = [*train, *shlex.split(SMALL), *shlex.split(SHORT), "--storage.folder", "data"]

    main([*flags, "--run", "whole"])
    with pytest.raises(RuntimeError, match="power cut"):
        train_until(7, read_study(tmp_path / "whole"), tmp_path / "cut")
    main(["train", "--run", "cut", "--resume"])

    assert_same_training(tmp_path / "whole", tmp_path / "cut")
    losses = [float(row["train/loss"]) for row in table(tmp_path / "whole")]
    assert losses == pytest.approx(LOSSES, rel=TOLERANCE)


@pytest.mark.parametrize("name", zoo.names())
def test_the_commands_of_a_card_train_the_network_of_the_file(name, monkeypatch):
    trained = []

    @functools.wraps(train_module.train)
    def recorded(study, run, resume=False):
        trained.append((study, run))

    monkeypatch.setattr(train_module, "train", recorded)
    for command in commands(name, "train"):
        main(command)

    file, (study, run) = fwi.load(name).study, trained[-1]
    for section in ("grid", "survey", "physics", "model"):
        assert getattr(study, section) == getattr(file, section)
    assert (study.data.amplitude, study.data.knee) == (file.data.amplitude, file.data.knee)
    assert commands(name, "calibrate")[-1][:3] == ["calibrate", "--run", str(run)]
    before = [run for _, run in trained[:-1]]
    assert study.train.start in (None, *before)
