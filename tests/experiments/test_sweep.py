import itertools
import json
import signal
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml
from processes import Running, alive, children, wait_until

from experiments.cli import main
from experiments.sweep import processes, summary
from experiments.sweep.variants import Variant
from fwi import config
from fwi.config import ModelConfig, StudyConfig, TrackingConfig, TrainConfig
from fwi.manifest import DataSet

VARIANTS = {
    "plain": {"model": {"attention": []}},
    "se": {"model": {"attention": ["se", "se", "se"]}},
}


@pytest.fixture
def study(trained_study: StudyConfig) -> StudyConfig:
    """Two epochs of a small network, without W&B."""
    return trained_study.model_copy(
        update={
            "model": ModelConfig(channels=(4, 8, 16)),
            "train": TrainConfig(epochs=2, batch_size=4, ema=0.5, precision="32"),
            "tracking": TrackingConfig(mode="disabled"),
        }
    )


@pytest.fixture
def command(study: StudyConfig, tmp_path: Path) -> list[str]:
    """A sweep of two variants and one seed, to be run in ``tmp_path / "out"``."""
    return [
        "sweep", "ablation", "--config", str(written(tmp_path / "study.yaml", config.dump(study))),
        "--out", str(tmp_path / "out"), "--seeds", "0", "--workers", "2",
        "--variants", *(str(variant(tmp_path, name, content)) for name, content in VARIANTS.items()),
    ]  # fmt: skip


@pytest.fixture
def runs_here(monkeypatch) -> None:
    """Do the runs of a sweep in this process, one after another, where others would take seconds to start."""

    def finished(work, workers, look):
        for each in work:
            for arguments in each.commands:
                main(arguments)
            yield each.folder, ""

    monkeypatch.setattr(processes, "finished", finished)


@pytest.fixture
def drawn(monkeypatch) -> dict[str, dict]:
    """The panels of the figure that the test has drawn."""
    panels = {}
    draw = summary.plots.dots_and_bars
    monkeypatch.setattr(
        summary.plots, "dots_and_bars", lambda given, by: panels.update(given) or draw(given, by)
    )
    return panels


def written(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def variant(folder: Path, name: str, content: object) -> Path:
    return written(folder / f"{name}.yaml", yaml.safe_dump(content))


def evaluated(run: Path, name: str, mae: list[float], subsalt: list[float | None] | None = None) -> Path:
    """A run that has been scored: these errors of each sample, and the same for the other metrics."""
    per_sample = dict.fromkeys(summary.compared(), mae)
    per_sample |= {"mae_subsalt": mae if subsalt is None else subsalt}
    written(summary.evaluation(run, name), json.dumps({"per_sample": per_sample}))
    return run


def variants(*names: str) -> list[Variant]:
    return [Variant(name, StudyConfig(), parameters=1000, multiply_adds=2_500_000) for name in names]


def cells(table: str, name: str) -> list[str]:
    """The cells of a variant's line."""
    line = next(line for line in table.splitlines() if line.startswith((f"| {name} |", f"| **{name}** |")))
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_mean_is_over_seeds_and_samples_that_have_the_metric():
    values = np.array([[1.0, 2.0, np.nan], [3.0, 6.0, np.nan]])

    found = summary.estimate(values)

    assert found.mean == 3
    assert found.by_seed == (1.5, 4.5)


def test_interval_holds_the_truth_in_some_95_of_100_experiments_of_three_seeds():
    random = np.random.default_rng(0)
    hits = 0
    for _ in range(2000):
        seeds, samples = random.normal(0, 1, (3, 1)), random.normal(0, 3, (1, 30))
        found = summary.estimate(7 + seeds + samples + random.normal(0, 1, (3, 30)))
        hits += found.low <= 7 <= found.high

    assert 0.92 <= hits / 2000 <= 0.97


def test_interval_of_one_seed_is_that_of_its_samples():
    values = np.random.default_rng(1).normal(5, 2, (1, 40))

    found = summary.estimate(values)

    half = 2.0227 * values.std(ddof=1) / np.sqrt(40)  # Student's t of 39 degrees of freedom
    np.testing.assert_allclose(
        (found.low, found.high), (values.mean() - half, values.mean() + half), rtol=1e-4
    )


def test_difference_is_taken_sample_by_sample_on_seeds_that_both_have(tmp_path):
    samples = [10.0, 200.0, 3000.0]
    runs = {
        "plain": {seed: evaluated(tmp_path / f"plain-{seed}", "test", samples) for seed in (0, 1)},
        "se": {
            seed: evaluated(tmp_path / f"se-{seed}", "test", [each - 4 - seed for each in samples])
            for seed in (0, 1, 2)
        },
    }

    found = summary.compare(runs, "test", "plain")

    assert found["se"].seeds == (0, 1, 2)
    assert found["plain"].differences == {}
    difference = found["se"].differences["mae"]
    np.testing.assert_allclose(difference.mean, -4.5)
    np.testing.assert_allclose(difference.by_seed, (-4, -5))
    # Far narrower than the scores, among whose samples there are factors of ten: Student's t of 1 is 12.7.
    np.testing.assert_allclose(
        (difference.low, difference.high), (-4.5 - 12.706 / 2, -4.5 + 12.706 / 2), rtol=1e-3
    )


def test_best_variant_is_chosen_by_validation_and_reported_on_test(tmp_path):
    scores = {"plain": ([5, 5], [1, 1]), "se": ([4, 4], [3, 3])}
    runs = {
        name: {0: evaluated(evaluated(tmp_path / name, "validation", chosen), "test", reported)}
        for name, (chosen, reported) in scores.items()
    }

    summary.write(tmp_path, variants("plain", "se"), runs, ["test", "validation"], "plain")

    assert json.loads((tmp_path / summary.NUMBERS).read_text())["best"] == "se"
    assert (tmp_path / summary.TABLE).read_text().count("**se**") == 2


def test_difference_of_a_single_training_is_told_as_such_and_drawn_without_a_bar(drawn, tmp_path):
    runs = {
        name: {0: evaluated(tmp_path / name, "validation", [mae, mae + 2])}
        for name, mae in (("plain", 100.0), ("se", 90.0))
    }

    summary.write(tmp_path, variants("plain", "se"), runs, ["validation"], "plain")

    table = (tmp_path / summary.TABLE).read_text()
    assert cells(table, "se")[5] == "-10.0 [-10.0, -10.0], one seed: scatter of trainings unknown"
    assert cells(table, "plain")[5] == "-"
    assert all(panel["se"].bar is None for panel in drawn.values())


def test_table_holds_the_numbers_of_the_evaluations(tmp_path):
    runs = {
        name: {
            seed: evaluated(
                tmp_path / f"{name}-{seed}", "validation", [mae + seed, mae + 10], [None, mae + 1]
            )
            for seed in (0, 1)
        }
        for name, mae in (("plain", 100.0), ("se", 90.0))
    }

    summary.write(tmp_path, variants("plain", "se", "ca"), runs | {"ca": {}}, ["validation"], "plain")

    table = (tmp_path / summary.TABLE).read_text()
    plain, se = cells(table, "plain"), cells(table, "se")
    assert plain[1:3] == ["1,000", "2.5"]
    assert plain[3].split()[0] == "105.2"
    assert plain[4] == "105.0, 105.5"
    assert plain[5] == "-"
    assert se[5].split()[0] == "-10.0"
    assert se[8].split()[0] == "91.0"
    assert "| ca |" not in table
    assert (tmp_path / summary.FIGURE).read_bytes().startswith(b"\x89PNG")


def test_metric_that_no_sample_has_is_a_dash(tmp_path):
    runs = {"plain": {0: evaluated(tmp_path / "plain-0", "validation", [1.0, 2.0], [None, None])}}

    summary.write(tmp_path, variants("plain"), runs, ["validation"], "plain")

    assert cells((tmp_path / summary.TABLE).read_text(), "plain")[8] == "-"
    found = json.loads((tmp_path / summary.NUMBERS).read_text())["found"]["validation"]["plain"]
    assert found["scores"]["mae_subsalt"] is None


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({"model": {"attention": ["se"]}}, "model.attention"),
        ({"model": {"channel": [4, 8]}}, "model.channel: unknown key"),
        ({"storage": {"folder": "elsewhere"}, "train": {"epochs": 9}}, "changes storage, train.epochs"),
        ({"train": {"seed": 9}}, "changes train.seed"),
    ],
)
def test_mistake_in_a_variant_is_told_before_anything_is_trained(command, refused, tmp_path, content, said):
    wrong = variant(tmp_path, "wrong", content)

    message = refused(*command, wrong)

    assert str(wrong) in message
    assert said in message
    assert not (tmp_path / "out").exists()


def test_two_variants_of_one_name_are_refused(command, refused, tmp_path):
    message = refused(*command, variant(tmp_path / "other", "se", VARIANTS["plain"]))

    assert "two are called se" in message


def test_reference_that_is_no_variant_is_refused(command, refused):
    message = refused(*command, "--reference", "none")

    assert "no variant 'none'" in message
    assert "plain, se" in message


def test_sweep_without_a_data_set_says_how_to_make_one(command, refused, tmp_path):
    message = refused(*command, "--storage.folder", tmp_path / "nothing")

    assert "fwi simulate" in message


def test_data_set_without_a_test_split_is_refused_before_anything_is_trained(
    command, refused, study, tiny_copy, tmp_path
):
    data = DataSet.read(tiny_copy.storage.folder)
    replace(data, entries=tuple(entry for entry in data.entries if entry.split != "test")).write()

    message = refused(*command, "--storage.folder", str(tiny_copy.storage.folder))

    assert "no samples in the test split" in message
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("flags", [["--seeds", "0", "0"], ["--seeds"], ["--workers", "0"]])
def test_seeds_that_repeat_or_no_workers_are_refused(command, refused, flags):
    assert "a seed, each once" in refused(*command, *flags)


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (
            ["--seeds", "0", "-1"],
            "--seeds -1: 1 mistake\n  - train.seed: input should be greater than or equal to 0",
        ),
        (["--seeds", "9" * 23], "train.seed: input should be less than 4294967296"),
        (["--workers", "1000000"], "--workers 1000000: take 1024 or fewer"),
    ],
)
def test_seeds_and_workers_beyond_their_range_are_refused_before_anything_is_written(
    command, refused, tmp_path, flags, said
):
    assert said in refused(*command, *flags)
    assert not (tmp_path / "out").exists()


def test_variant_larger_than_any_memory_is_refused_before_anything_is_trained(command, refused, tmp_path):
    large = variant(tmp_path, "large", {"model": {"channels": [100_000, 100_000], "attention": []}})

    message = refused(*command, large)

    assert f"{large}: model: attention_unet of " in message
    assert "take fewer model.channels" in message


def test_two_data_sets_of_one_name_are_refused(command, refused, tiny_data, tmp_path):
    message = refused(*command, "--data", tmp_path / "test")

    assert "'test' is taken" in message


def test_run_that_leads_out_of_the_folder_is_refused(command, refused, tmp_path):
    for name in ("out", "elsewhere"):
        (tmp_path / name).mkdir()
    (tmp_path / "out" / "se-0").symlink_to(tmp_path / "elsewhere")

    message = refused(*command)

    assert f"out/se-0: a link to {tmp_path / 'elsewhere'}" in message
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_folder_of_another_study_is_refused(command, refused, study, tmp_path):
    written(tmp_path / "out" / "study.yaml", config.dump(study))

    message = refused(*command, "--train.batch-size", "2")

    assert "train.batch_size: 2 wanted, 4 there" in message


def test_variant_that_changed_after_its_run_was_begun_is_refused(command, refused, study, tmp_path):
    begun = config.load([variant(tmp_path, "then", {"model": {"attention": ["ca", "ca", "ca"]}})], over=study)
    written(tmp_path / "out" / "se-0" / "config.yaml", config.dump(begun))

    message = refused(*command)

    assert "se-0/config.yaml" in message
    assert "model.attention" in message


def test_failure_of_one_run_is_told_and_does_not_end_the_others(study, tmp_path):
    good = written(tmp_path / "study.yaml", config.dump(study))
    work = [
        processes.Work(tmp_path / "bad", [["config", "validate", "--config", "absent.yaml"]], {}),
        processes.Work(tmp_path / "good", [["config", "validate", "--config", str(good)]], {}),
    ]

    ended = dict(processes.finished(work, workers=1, look=lambda: None))

    assert "absent.yaml: no such file" in ended[tmp_path / "bad"]
    assert ended[tmp_path / "good"] == ""
    assert "valid: 24 x 36 cells" in (tmp_path / "good" / processes.LOG).read_text()


def test_metric_that_the_first_samples_lack_is_drawn_from_others_and_says_so(drawn, tmp_path):
    run = tmp_path / "plain-0"
    for name, subsalt in (("test", [None, None]), ("validation", [3.0, 3.0]), ("lenses", [7.0, 9.0])):
        evaluated(run, name, [1.0, 2.0], subsalt)

    names = ["test", "validation", "lenses"]
    summary.write(tmp_path, variants("plain"), {"plain": {0: run}}, names, "plain")

    *others, subsalt = drawn
    assert others == [metric.label() for name, metric in summary.compared().items() if name != "mae_subsalt"]
    assert subsalt == "MAE below the salt (m/s)\nlenses"
    assert drawn[subsalt]["plain"].mean == 8


def test_runs_of_a_sweep_are_a_group_of_the_tracker_tagged_by_variant(command, monkeypatch, tmp_path):
    given = []

    def note(work, workers, look):
        given.extend(work)
        yield from ()

    monkeypatch.setattr(processes, "finished", note)

    main(command)

    assert [each.folder.name for each in given] == ["plain-0", "se-0"]
    assert [each.environment for each in given] == [
        {"WANDB_RUN_GROUP": "out", "WANDB_TAGS": name} for name in VARIANTS
    ]


@pytest.mark.slow
def test_no_run_outlives_a_killed_sweep(command):
    running = Running()
    try:
        sweep = running.start("-m", "experiments", *command)
        wait_until(lambda: len(children(sweep.pid)) == 2, "two trainings")
        trainings = children(sweep.pid)

        sweep.kill()

        wait_until(lambda: not any(map(alive, trainings)), "the end of the trainings")
    finally:
        running.end()


@pytest.mark.slow
@pytest.mark.usefixtures("runs_here")
def test_interrupted_sweep_goes_on_with_the_same_command(command, capsys, tmp_path):
    runs = [tmp_path / "out" / "plain-0", tmp_path / "out" / "se-0"]
    running = Running()
    try:
        sweep = running.start("-m", "experiments", *command)
        wait_until(lambda: any((run / "metrics.csv").exists() for run in runs), "a finished epoch")
        trainings = children(sweep.pid)

        sweep.send_signal(signal.SIGINT)

        _, said = sweep.communicate(timeout=60)
        assert sweep.returncode == 130
        assert "the same command goes on" in said
        assert not any(map(alive, trainings))
    finally:
        running.end()

    main(command)

    shown = capsys.readouterr().out
    table = (tmp_path / "out" / summary.TABLE).read_text()
    assert table in shown
    for run, name in itertools.product(runs, ("test", "validation")):
        mean = json.loads(summary.evaluation(run, name).read_text())["predictors"]["network"]["mae"]["mean"]
        assert f" {mean:.1f} [" in table
    before = {file: file.stat().st_mtime_ns for run in runs for file in run.iterdir()}

    main(command)

    assert table in capsys.readouterr().out
    assert before == {file: file.stat().st_mtime_ns for run in runs for file in run.iterdir()}
