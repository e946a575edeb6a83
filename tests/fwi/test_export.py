"""What is handed on: graphs that compute what the network does, a folder without pickle, and its card."""

import importlib.util
import json
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

import fwi
from fwi import export, run_folder, zoo
from fwi.config import DataConfig, ModelConfig, StudyConfig, TrainConfig
from fwi.export.formats import FORMATS
from fwi.export.graph import InverterGraph
from fwi.intervals import Calibration, Scale
from fwi.inverter import Inverter
from fwi.inverter_file import FILE
from fwi.networks.midpoints import Midpoints
from fwi.survey import Survey

NEAR = 0.01
"""Largest difference [m/s] of a section from the network's."""


def of(study: StudyConfig, model: ModelConfig, **sections: object) -> StudyConfig:
    """A study with another network, in float32."""
    return study.model_copy(update={"model": model, "train": TrainConfig(precision="32"), **sections})


def lively(inverter: Inverter) -> Inverter:
    """An untrained inverter whose sections depend on its records, and whose normalisations do something."""
    draw = torch.Generator().manual_seed(1)
    for name, each in inverter.network.named_buffers():
        if name.endswith("running_mean"):
            each.normal_(0, 0.1, generator=draw)
        elif name.endswith("running_var"):
            each.uniform_(0.5, 2, generator=draw)
    if hasattr(inverter.network.head, "project"):
        torch.nn.init.normal_(inverter.network.head.project.weight, generator=draw)
    return inverter.eval()


def calibrated(study: StudyConfig, weights: dict[str, float]) -> Calibration:
    """A calibration of intervals, by weights of the sources of their half-widths."""
    return Calibration(
        coverage=0.9,
        confidence=None,
        threshold=4250.0,
        velocity=study.grid.velocity,
        spacing=study.grid.spacing,
        network=Scale(sections=40, weights=weights, factor=1.3, top=80.0, base=None, constant=300.0),
    )


def run_of(study: StudyConfig, folder: Path, calibration: Calibration | None = None) -> Path:
    """The folder of a run of a study, not trained."""
    run_folder.begin(folder, study)
    torch.manual_seed(0)
    inverter = lively(Inverter(study))
    run_folder.write_mean_model(folder, np.full((study.grid.nz, study.grid.nx), 2000, np.float32))
    if calibration:
        inverter.calibration["uncertainty"] = calibration.model_dump(mode="json")
    inverter.save(folder / FILE)
    return folder


@pytest.fixture(scope="module")
def run(tiny_study: StudyConfig, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of any survey with a head for its error, and calibrated intervals."""
    model = ModelConfig(
        channels=(8, 16),
        columns="offsets",
        offsets=8,
        attention=("none", "se"),
        skip=("gate",),
        uncertainty="laplace",
    )
    study = of(tiny_study, model)
    calibration = calibrated(study, {"floor": 20.0, "head": 0.7})
    return run_of(study, tmp_path_factory.mktemp("runs") / "salt", calibration)


@pytest.fixture(scope="module")
def handed_on(run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """That run as it is handed on, in all formats. Read only."""
    folder = tmp_path_factory.mktemp("handed-on") / "salt"
    made = export.export(run, folder)
    assert max(made.differences.values()) < NEAR
    assert made.left_out == {}
    return folder


def records(survey: Survey, batch: int) -> np.ndarray:
    """Random records with a dead trace, a missing shot, and a second record a thousand times as loud."""
    gathers = np.random.default_rng(batch).normal(size=(batch, *survey.gather_shape)).astype(np.float32)
    gathers[0, 1] = 0
    gathers[:, 0, :, 5] = 0
    gathers[1:2] *= 1000
    return gathers


def positions(survey: Survey) -> dict[str, np.ndarray]:
    return {"shot_x": survey.shot_x, "receiver_x": survey.receiver_x}


@pytest.mark.parametrize("kind", FORMATS)
def test_sections_and_intervals_are_those_of_the_network_at_two_sizes_of_batch_and_survey(
    kind: str, run: Path, handed_on: Path, tiny_study: StudyConfig, other_study: StudyConfig
) -> None:
    inverter = fwi.load(run)
    content = (handed_on / FORMATS[kind].file).read_bytes()

    for study, batch in ((tiny_study, 2), (other_study, 5)):
        survey = Survey(study.grid, study.survey)
        gathers = records(survey, batch)
        given = [torch.from_numpy(each) for each in (gathers, *positions(survey).values())]
        found = FORMATS[kind].run(content, export.graph.Records(*given))

        section, interval = inverter.invert(gathers, survey), inverter.interval(gathers, survey)
        assert np.ptp(section) > 40
        np.testing.assert_allclose(found["velocity"], section, rtol=0, atol=NEAR)
        head = inverter.spread(gathers, survey).sources["head"]
        np.testing.assert_allclose(found["spread"], head, rtol=0, atol=NEAR)
        np.testing.assert_allclose(found["lower"], interval.lower, rtol=0, atol=NEAR)
        np.testing.assert_allclose(found["upper"], interval.upper, rtol=0, atol=NEAR)


def test_the_onnx_graph_is_valid_names_its_axes_and_adds_traces_in_order(handed_on: Path) -> None:
    model = onnx.load(handed_on / "inverter.onnx")

    onnx.checker.check_model(model, full_check=True)
    session = onnxruntime.InferenceSession(handed_on / "inverter.onnx", providers=["CPUExecutionProvider"])
    inputs = {each.name: each.shape for each in session.get_inputs()}
    assert inputs == {
        "gathers": ["batch", "shots", 50, "receivers"],
        "shot_x": ["shots"],
        "receiver_x": ["shots", "receivers"],
    }
    # ScatterND of onnxruntime loses traces that several threads add to one place.
    assert "ScatterND" not in {node.op_type for node in model.graph.node}


def test_nothing_is_pickled_and_nothing_of_this_machine_is_told(handed_on: Path) -> None:
    here = str(Path(fwi.__file__).parents[1]).encode()

    with zipfile.ZipFile(handed_on / "inverter.pt2") as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    configs = [json.loads(each)["config"] for name, each in members.items() if name.endswith("_config.json")]

    assert [name for name, each in members.items() if "sample_inputs" in name and each] == []
    assert {entry["use_pickle"] for config in configs for entry in config.values()} == {False}
    assert [name for name, each in members.items() if each[:2] in (b"PK", b"\x80\x02", b"\x80\x05")] == []
    assert all(here not in each for each in [*members.values(), (handed_on / "inverter.onnx").read_bytes()])


def test_the_programs_of_the_readme_run_where_this_package_cannot_be_imported(
    run: Path, handed_on: Path, other_study: StudyConfig
) -> None:
    survey = Survey(other_study.grid, other_study.survey)
    gathers = records(survey, 3)
    for name, array in {"gathers": gathers, **positions(survey)}.items():
        np.save(handed_on / f"{name}.npy", array)
    examples = re.findall(r"```python\n(.*?)```", (handed_on / "README.md").read_text(), re.DOTALL)
    assert len(examples) == 2
    assert all(len(example.strip().splitlines()) <= 11 for example in examples)
    strict = [
        "import importlib.abc, pickle, sys, torch",
        "class Forbidden(importlib.abc.MetaPathFinder):",
        "    def find_spec(self, name, path=None, target=None):",
        "        assert name.partition('.')[0] not in ('fwi', 'data_prep', 'experiments'), name",
        "sys.meta_path.insert(0, Forbidden())",
        "pickle.loads = pickle.load = torch.load = None",
    ]
    kept = "import os; os.rename('section.npy', 'section-{}.npy')\n"
    programs = [example + kept.format(number) for number, example in enumerate(examples)]
    program = "\n".join([*strict, *programs])

    done = subprocess.run(
        [sys.executable, "-I", "-c", program], cwd=handed_on, capture_output=True, text=True
    )

    assert done.returncode == 0, done.stderr
    wanted = fwi.load(run).invert(gathers, survey)
    for number in range(2):
        found = np.load(handed_on / f"section-{number}.npy")
        np.testing.assert_allclose(found, wanted, rtol=0, atol=NEAR)


@pytest.mark.parametrize("columns", ["receivers", "midpoints"])
def test_a_network_of_one_survey_takes_any_batch_of_gathers_alone(
    columns: str, tiny_study: StudyConfig
) -> None:
    model = ModelConfig(channels=(4, 8), columns=columns, mirror=True)
    data = DataConfig(amplitude="signed_log")
    inverter = lively(Inverter(of(tiny_study, model, data=data)))
    assert isinstance(inverter.sort, Midpoints) == (columns == "midpoints")
    graph = InverterGraph(inverter)

    content = FORMATS["torch"].write(graph, graph.traced())

    for batch in (1, 3):
        gathers = records(inverter.survey, batch)
        found = FORMATS["torch"].run(content, export.graph.Records(torch.from_numpy(gathers)))
        np.testing.assert_allclose(found["velocity"], inverter.invert(gathers), rtol=0, atol=NEAR)


def test_intervals_count_the_difference_from_the_mirrored_record(tiny_study: StudyConfig) -> None:
    model = ModelConfig(channels=(4, 8), mirror=True, uncertainty="quantiles")
    inverter = lively(Inverter(of(tiny_study, model)))
    made = calibrated(inverter.study, {"floor": 20.0, "head": 0.7, "mirror": 0.4})
    inverter.calibration["uncertainty"] = made.model_dump(mode="json")
    gathers = records(inverter.survey, 2)

    found = InverterGraph(inverter)(torch.from_numpy(gathers))

    wanted = inverter.interval(gathers)
    np.testing.assert_allclose(found["velocity"], inverter.invert(gathers), rtol=0, atol=NEAR)
    np.testing.assert_allclose(found["lower"], wanted.lower, rtol=0, atol=NEAR)
    np.testing.assert_allclose(found["upper"], wanted.upper, rtol=0, atol=NEAR)


# -- the folder


def test_the_file_is_that_of_the_run_and_smaller_in_half_precision(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fwi.inverter.HALVED", 100)  # as of a larger network
    export.export(run, tmp_path / "whole", formats=())
    export.export(run, tmp_path / "half", formats=(), half=True)

    whole, half = (tmp_path / name / FILE for name in ("whole", "half"))
    assert whole.read_bytes() == (run / FILE).read_bytes()
    assert half.stat().st_size < whole.stat().st_size
    weights = fwi.load(half).state_dict()
    for name, each in fwi.load(whole).state_dict().items():
        torch.testing.assert_close(weights[name], each, rtol=1e-3, atol=1e-6)


def test_an_earlier_export_is_written_anew_and_what_is_no_longer_wanted_goes(
    run: Path, handed_on: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "salt"
    export.export(run, folder, formats=())
    listed = json.loads((folder / "export.json").read_text())
    listed["files"].append("inverter.onnx")
    (folder / "export.json").write_text(json.dumps(listed))
    for name in ("inverter.onnx", "notes.txt", FILE):
        (folder / name).write_text("of before")

    export.export(run, folder, formats=())

    left = {path.name for path in folder.iterdir()}
    assert left == {"card.md", "README.md", "export.json", FILE, "notes.txt"}
    assert (folder / FILE).read_bytes() == (run / FILE).read_bytes()


def test_a_folder_of_something_else_is_refused_and_left_alone(
    run: Path, any_survey_run: Path, tmp_path: Path
) -> None:
    export.export(any_survey_run, tmp_path / "other", formats=())
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.tex").write_text("precious")
    (tmp_path / "file").write_text("precious")
    reasons = {
        "other": "holds an export of any",
        "full": "holds something else than an export",
        "file": "is no folder",
    }

    for name, reason in reasons.items():
        with pytest.raises(ValueError, match=f"{name} {reason}: choose another --to, or empty it"):
            export.export(run, tmp_path / name, formats=())

    assert [path.name for path in (tmp_path / "full").iterdir()] == ["thesis.tex"]


def test_a_format_whose_package_is_missing_is_left_out_and_refused_where_it_is_asked_for(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "onnx" else found(name))
    monkeypatch.delitem(FORMATS, "torch")

    made = export.export(run, tmp_path / "salt")
    with pytest.raises(ValueError, match=r"onnx: onnx not installed: pip install 'salt-fwi\[export\]'"):
        export.export(run, tmp_path / "salt", formats=("onnx",))

    assert made.left_out == {"onnx": ["onnx"]}
    assert not (tmp_path / "salt" / "inverter.onnx").exists()


def test_a_graph_that_gives_other_sections_than_the_network_is_not_written(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    graph = InverterGraph(fwi.load(run))

    def off(content: bytes, given: export.graph.Records) -> dict[str, np.ndarray]:
        return {name: each.numpy() + (name == "upper") for name, each in graph(*given.given).items()}

    wrong = FORMATS["torch"]._replace(run=off, write=lambda graph, program: b"")
    monkeypatch.setitem(FORMATS, "torch", wrong)
    monkeypatch.setattr(InverterGraph, "traced", lambda self: None)

    with pytest.raises(ValueError, match=r"inverter\.pt2: its upper is 1 m/s off the network's"):
        export.export(run, tmp_path / "salt", formats=("torch",))

    assert not (tmp_path / "salt").exists()


# -- the card


def test_the_card_of_a_network_of_the_zoo_is_its_own(tmp_path: Path) -> None:
    export.export("salt-half", tmp_path, formats=())

    assert (tmp_path / "card.md").read_text() == zoo.card("salt-half").text
    assert (tmp_path / FILE).read_bytes() == zoo.path("salt-half").read_bytes()


def test_the_card_of_a_run_tells_its_survey_its_calibration_and_what_is_not_known(handed_on: Path) -> None:
    card = (handed_on / "card.md").read_text()

    assert re.findall("^## (.*)$", card, re.MULTILINE) == list(zoo.HEADINGS)
    for told in (
        "# salt\n",
        "a 2-D line of 0.7 km to P-wave speed down to\n0.46 km, on 24 x 36 cells of 20 m",
        "any number at any places of the line",
        "50 samples of 10 ms",
        "10 Hz Ricker wavelet",
        "attention se, gate; input: offsets",
        "Intervals hold 90% of the cells on average, of sections like the 40",
        "Verdict: not calibrated",
        "Steps and time: not known",
        "Not known: it has not been evaluated",
        "Licence\n\nOf the weights: not stated by the run",
    ):
        assert told in card


def test_the_card_of_a_file_without_its_run_knows_nothing_of_its_training(run: Path, tmp_path: Path) -> None:
    export.export(run / FILE, tmp_path, formats=())

    assert "Not known: the network came without the folder of its run." in (tmp_path / "card.md").read_text()


# -- larger ones


@pytest.mark.slow
def test_mechanisms_of_several_maps_are_exported_in_every_format(tiny_study: StudyConfig) -> None:
    """Those of one map are held to ONNX in test_attention_export.py."""
    slots = {"skip": ["cross", "mdaf"], "bottleneck": {"name": "pmfs", "levels": 3}, "coarsening": 2}
    model = ModelConfig.model_validate({"channels": (4, 8, 8), "columns": "offsets", "offsets": 5, **slots})
    graph = InverterGraph(lively(Inverter(of(tiny_study, model))))
    program = graph.traced()

    for kind in FORMATS.values():
        content = kind.write(graph, program)
        for size in ((2, 3, 20), (1, 9, 31)):
            given = graph.records(*size)
            found = kind.run(content, given)
            for name, wanted in graph(*given.given).items():
                np.testing.assert_allclose(found[name], wanted.numpy(), rtol=0, atol=NEAR)


@pytest.mark.slow
def test_the_network_in_the_box_is_handed_on_within_a_hundredth_of_a_metre_per_second(tmp_path: Path) -> None:
    made = export.export("salt-half", tmp_path)

    assert made.differences.keys() == FORMATS.keys()
    assert max(made.differences.values()) < NEAR
