"""Trainings in tests: shorter, stopped, compared, and what they logged."""

import contextlib
import csv
import struct
import time
from pathlib import Path

import pytest
import torch
import yaml
from google.protobuf.message import DecodeError
from processes import PATIENCE

from experiments.train import train
from fwi import run_folder
from fwi.config import StudyConfig, TrackingConfig
from fwi.training.task import InversionTask


def untracked(study: StudyConfig, **changes: object) -> StudyConfig:
    """The study without W&B and with other settings of the training."""
    train = study.train.model_copy(update=changes)
    return study.model_copy(update={"train": train, "tracking": TrackingConfig(mode="disabled")})


def table(run: Path) -> list[dict[str, str]]:
    """The rows of ``metrics.csv`` without the column that may differ between equal runs."""
    with open(run / "metrics.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    return [{key: value for key, value in row.items() if key != "seconds"} for row in rows]


def checkpoint(run: Path, which: Path = run_folder.LAST) -> dict:
    return torch.load(run / which, map_location="cpu", weights_only=True)


def assert_same_training(run: Path, other: Path) -> None:
    """Bit for bit: table, averaged and raw weights, optimiser, and the best epoch."""
    assert table(run) == table(other)
    for which in (run_folder.BEST, run_folder.LAST):
        one, two = checkpoint(run, which), checkpoint(other, which)
        for part in ("state_dict", "current_model_state"):
            assert one[part].keys() == two[part].keys()
            for name, weights in one[part].items():
                assert torch.equal(weights, two[part][name]), f"{which} {part} {name}"
        assert one["epoch"] == two["epoch"]
        torch.testing.assert_close(one["optimizer_states"], two["optimizer_states"], rtol=0, atol=0)
        assert best_score(one) == best_score(two)


def best_score(content: dict) -> float:
    states = [state for name, state in content["callbacks"].items() if "best_model_score" in state]
    return float(states[0]["best_model_score"])


def train_until(step: int, study: StudyConfig, run: Path) -> None:
    """Train, and fail before a step."""
    original = InversionTask.training_step

    def failing(task, batch, number):
        if task.global_step == step:
            raise RuntimeError("power cut")
        return original(task, batch, number)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(InversionTask, "training_step", failing)
        train(study, run)


def wandb_files(run: Path) -> list[Path]:
    """The files of a run's offline W&B records: one for each time that it was begun or resumed."""
    return sorted(run.glob("wandb/offline-run-*/*.wandb"))


def wandb_records(file: Path) -> list:
    """The records of an offline W&B file, once W&B's own process has written the last one."""
    end = time.monotonic() + PATIENCE
    while True:
        with contextlib.suppress(DecodeError):
            records = _records(file)
            if any(record.HasField("exit") for record in records):
                return records
        assert time.monotonic() < end, f"{file} has no end"
        time.sleep(0.1)


def _records(file: Path) -> list:
    """What is there: LevelDB's log format behind a header of 7 bytes."""
    from wandb.proto import wandb_internal_pb2

    data, block, head, at = file.read_bytes(), 32768, struct.Struct("<IHB"), 7
    found, parts = [], b""
    while at + head.size <= len(data):
        if block - at % block < head.size:
            at += block - at % block  # the rest of a block that no header fits in
            continue
        _, length, kind = head.unpack_from(data, at)
        parts += data[at + head.size : at + head.size + length]
        at += head.size + length
        if kind in (1, 4):  # whole, or the last part
            found.append(wandb_internal_pb2.Record.FromString(parts))
            parts = b""
    return found


def history(file: Path) -> list[dict]:
    """What was logged to an offline W&B file, step by step."""
    found = []
    for record in wandb_records(file):
        if record.HasField("history"):
            items = record.history.item
            found.append(
                {item.key or "/".join(item.nested_key): yaml.safe_load(item.value_json) for item in items}
            )
    return found
