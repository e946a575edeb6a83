"""The benchmark of attention: which cases there are, what is refused, and how memory is counted."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from experiments import cli
from experiments.benchmark.attention import cases, only
from experiments.benchmark.contestant import Contestant, peak
from fwi import config
from fwi.attention import ATTENTION
from fwi.config import MECHANISMS, ModelConfig, StudyConfig
from fwi.networks import table
from fwi.survey import Survey

STUDY = """
grid: {nz: 24, nx: 36, spacing: 20.0}
survey: {shots: 3, receivers: 36, nt: 240}
model: {channels: [4, 8, 16]}
train: {precision: "32"}
"""
MEGABYTE = 2**20


@pytest.fixture
def study_file(tmp_path: Path) -> Path:
    path = tmp_path / "study.yaml"
    path.write_text(STUDY)
    return path


@pytest.fixture
def study(study_file: Path) -> StudyConfig:
    return config.load([study_file])


def variant(folder: Path, name: str, text: str) -> Path:
    path = folder / f"{name}.yaml"
    path.write_text(text)
    return path


def test_every_mechanism_is_measured_in_every_place_that_it_may_fill(study: StudyConfig) -> None:
    names = [case.name for case in cases(study, [])]

    places = {"attention": ["level 0", "level 1", "level 2"], "skip": ["skip 0", "skip 1"]}
    unary = [name for name, each in MECHANISMS.items() if each.joins == "filter" and name != "none"]
    skips = [*unary, "gate", "cross", "mdaf"]
    expected = [f"{name}, {place}" for name in unary for place in places["attention"]]
    expected += [f"{name}, {place}" for name in skips for place in places["skip"]]
    expected += ["pmfs, bottleneck", "stn, resample", "cross, resample"]
    assert sorted(names) == sorted(expected)


def test_a_case_attends_at_its_place_and_nowhere_else(study: StudyConfig) -> None:
    models = {case.name: case.model for case in cases(study, [])}

    attends = models["ca, level 1"]
    assert [choice.name for choice in attends.attention] == ["none", "ca", "none"]
    assert (attends.skip, attends.bottleneck) == ((), ())
    assert [choice.name for choice in models["gate, skip 0"].skip] == ["gate", "none"]


def test_a_case_differs_from_plain_by_its_mechanism_alone(study: StudyConfig) -> None:
    sorting = study.model_copy(
        update={"model": ModelConfig(channels=(4, 8, 16), columns="midpoints", bottleneck="self")}
    )

    (case,) = only(cases(sorting, []), ["simam", "attention"])[:1]

    plain = case.model.model_copy(update={"attention": ()})
    assert plain == ModelConfig(channels=(4, 8, 16), columns="midpoints")


def test_cases_are_chosen_by_mechanism_slot_file_and_folder(study: StudyConfig, tmp_path: Path) -> None:
    folder = tmp_path / "peers"
    folder.mkdir()
    found = cases(study, [variant(folder, "other", "model: {name: unet}"), variant(tmp_path, "mine", "{}")])

    def names(*words: str) -> list[str]:
        return [case.name for case in only(found, words)]

    assert names("eca") == ["eca, level 0", "eca, level 1", "eca, level 2", "eca, skip 0", "eca, skip 1"]
    assert names("resample", "peers") == ["stn, resample", "cross, resample", "peers/other"]
    assert names("mine") == [f"{tmp_path.name}/mine"]
    assert names() == [case.name for case in found]


def test_a_word_that_asks_for_nothing_is_refused_with_those_that_do(
    study_file: Path, refused: Callable[..., str]
) -> None:
    said = refused("benchmark", "attention", "--config", study_file, "--only", "se", "sse")

    assert "no case is called sse; known: se, attention, eca, gct" in said


def test_a_variant_that_is_not_there_is_refused_at_once(
    study_file: Path, refused: Callable[..., str]
) -> None:
    said = refused("benchmark", "attention", "--config", study_file, "--variants", "configs/abl/*.yaml")

    assert "--variants: there is no configs/abl/*.yaml" in said


def test_the_table_tells_costs_by_plain_and_why_a_network_cannot_be_had(
    study_file: Path, study: StudyConfig, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    five = variant(tmp_path, "five", "model: {attention: [se, se, se, se, se]}")
    same = variant(tmp_path, "same", "model: {attention: [none, none, none]}")
    out = tmp_path / "out.json"

    flags = ["--only", "resample", "five", "same", "--repeats", "2", "--out", str(out)]
    cli.main(
        ["benchmark", "attention", "--config", str(study_file), "--variants", str(five), str(same), *flags]
    )

    figures = {figure["name"].rpartition("/")[2]: figure for figure in json.loads(out.read_text())["figures"]}
    assert list(figures) == ["plain", "stn, resample", "cross, resample", "five", "same"]
    assert "5 entries, but 3 levels" in figures["five"]["refused"]
    plain, same, cross = figures["plain"], figures["same"], figures["cross, resample"]
    assert (same["parameters"], same["peak"]) == (plain["parameters"], plain["peak"])
    parts = table.parts(ModelConfig(channels=(4, 8, 16), resample="cross"), Survey(study.grid, study.survey))
    assert cross["parameters"] == sum(part.parameters for part in parts)
    assert cross["multiply_adds"] == sum(part.multiply_adds for part in parts)
    assert cross["step_ratio"] == pytest.approx(
        sum(mine / theirs for mine, theirs in zip(cross["step"], cross["plain_step"], strict=True)) / 2
    )
    shown = capsys.readouterr().out.splitlines()
    row = next(line for line in shown if line.startswith("cross, resample"))
    assert f"+{cross['parameters'] - plain['parameters']:,}" in row
    assert f"{cross['peak'] / plain['peak']:.2f} x" in row
    assert any("refused: model.attention: 5 entries" in line for line in shown)


def test_a_network_that_fails_on_its_first_step_is_a_row_of_its_own(
    study_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def too_many_cells(*_: object) -> None:
        raise ValueError("too many tokens")

    monkeypatch.setattr(ATTENTION["gct"], "forward", too_many_cells)

    cli.main(["benchmark", "attention", "--config", str(study_file), "--only", "gct", "--repeats", "1"])

    shown = capsys.readouterr().out
    assert shown.count("refused: too many tokens") == 5


def test_the_peak_is_of_what_lives_at_once() -> None:
    before = torch.ones(MEGABYTE, dtype=torch.uint8)
    kept = []

    def one_after_the_other() -> None:
        for _ in range(3):
            torch.ones(MEGABYTE, dtype=torch.uint8)

    def together() -> None:
        kept.extend(torch.ones(MEGABYTE, dtype=torch.uint8) for _ in range(3))

    def of_what_was_there() -> None:
        before.zero_()

    assert peak(one_after_the_other) == MEGABYTE
    assert peak(together) == 3 * MEGABYTE
    assert peak(of_what_was_there) == 0


@pytest.mark.parametrize(
    "attends", [{"attention": ["psa", "none", "none"]}, {"skip": ["mdaf", "none"]}], ids=["psa", "mdaf"]
)
def test_a_mechanism_adds_to_the_peak_what_the_table_says_that_it_keeps(
    study: StudyConfig, attends: dict[str, list[str]]
) -> None:
    samples = 4
    plain, other = (
        config.validate(ModelConfig, {"channels": [4, 8, 16], **choice}, "test") for choice in ({}, attends)
    )

    added = Contestant(study, other, samples).peak - Contestant(study, plain, samples).peak

    # Of each parameter there are its gradient and two moments; these two need little else while they work.
    by_table = [
        sum(4 * 4 * part.parameters + samples * part.memory for part in parts)
        for parts in (table.parts(each, Survey(study.grid, study.survey)) for each in (plain, other))
    ]
    assert added == pytest.approx(by_table[1] - by_table[0], rel=0.03)
