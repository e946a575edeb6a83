"""What the tests of the recipes share: a tiny study that trains in seconds, and the run that it gives."""

import functools
import multiprocessing
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from experiments.cli import main
from fwi import config
from fwi.config import DataConfig, ModelConfig, StudyConfig, TrainConfig


@pytest.fixture(scope="session", autouse=True)
def offline():
    """W&B as the study has it, whatever the developer's shell says."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("WANDB_")]:
            patch.delenv(name)
        yield


@pytest.fixture(scope="session")
def trained_study(tiny_study: StudyConfig, tiny_data: Path) -> StudyConfig:
    """``tiny_study`` with a network and a training of its size: four epochs of two steps."""
    return tiny_study.model_copy(
        update={
            "data": DataConfig(workers=0),
            "model": ModelConfig(channels=(8, 16, 32), attention=("none", "se", "ca")),
            "train": TrainConfig(epochs=4, batch_size=4, ema=0.5, precision="32"),
        }
    )


@pytest.fixture(scope="session")
def trained_run(trained_study: StudyConfig, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished training of ``trained_study``. Read only: it is shared by all tests."""
    from experiments.train import train

    folder = tmp_path_factory.mktemp("runs") / "trained"
    train(trained_study, folder)
    return folder


@pytest.fixture
def copied(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the other processes of a training be copies of this one, which need not import anything."""
    fork = multiprocessing.get_context("fork")
    monkeypatch.setattr(multiprocessing, "get_context", lambda kind=None: fork)


@pytest.fixture
def ended(capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Run a command that must end with an exit code and without a traceback; gives what it says."""

    def ended(code: int, *arguments: object) -> str:
        with pytest.raises(SystemExit) as end:
            main([str(argument) for argument in arguments])
        shown = capsys.readouterr()
        assert end.value.code == code, shown
        assert "Traceback" not in shown.err
        assert "pydantic" not in shown.err
        return shown.err + shown.out

    return ended


@pytest.fixture
def refused(ended: Callable[..., str]) -> Callable[..., str]:
    """Run a command that must refuse what it is given; gives what it says."""
    return functools.partial(ended, 2)


@pytest.fixture
def interrupted(ended: Callable[..., str]) -> Callable[..., str]:
    """Run a command that a signal must end with one line on how to go on, which it gives."""

    def interrupted(number: int, *arguments: object) -> str:
        *progress, said = ended(128 + number, *arguments).splitlines()
        assert said.startswith("fwi: error: interrupted; ")
        assert all(line.endswith(" left") for line in progress), progress
        return said

    return interrupted


@pytest.fixture
def study_file(trained_study: StudyConfig, tmp_path: Path) -> Path:
    """``trained_study`` as YAML, for the command line."""
    path = tmp_path / "study.yaml"
    path.write_text(config.dump(trained_study))
    return path
