import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

import fwi
from fwi import inverter as inverter_module
from fwi import inverter_file
from fwi.config import DataConfig, ModelConfig, StudyConfig, TrainConfig
from fwi.inverter import Inverter, InverterError
from fwi.normalisation import Normalisation
from fwi.shards import read


@pytest.fixture(scope="module", params=["receivers", "midpoints", "offsets"])
def study(request: pytest.FixtureRequest, tiny_study: StudyConfig) -> StudyConfig:
    model = ModelConfig(channels=(4, 8), attention=("se", "ca"), columns=request.param)
    return tiny_study.model_copy(update={"model": model})


@pytest.fixture(scope="module")
def inverter(study: StudyConfig, tiny_data: Path) -> Inverter:
    """One whose weights and statistics are not those that it begins with."""
    mean_model = read(tiny_data / "train-00000.h5").velocity.mean(axis=0)
    torch.manual_seed(3)
    made = Inverter(study, Normalisation(study.data.amplitude, 1e-3, 2.0), mean_model)
    with torch.no_grad():
        for tensor in made.state_dict().values():
            if tensor.is_floating_point():
                tensor.mul_(1.5)
    return made.eval()


@pytest.fixture
def file(inverter: Inverter, tmp_path: Path) -> Path:
    inverter.save(tmp_path / "inverter.safetensors")
    return tmp_path / "inverter.safetensors"


def rewritten(file: Path, **changes: str) -> Path:
    """The file with other notes."""
    with safe_open(file, "pt") as opened:
        tensors = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118
        notes = opened.metadata() | changes
    save_file(tensors, file, notes)
    return file


def test_what_was_saved_inverts_as_before(inverter, file, tiny_data):
    gathers = read(tiny_data / "test-00000.h5").gathers

    loaded = fwi.load(file)

    np.testing.assert_array_equal(loaded.invert(gathers), inverter.invert(gathers))
    np.testing.assert_array_equal(loaded.mean_model, inverter.mean_model)
    assert not loaded.training
    for section in ("grid", "survey", "physics", "model", "check"):
        assert getattr(loaded.study, section) == getattr(inverter.study, section)


def test_in_half_precision_the_file_is_smaller_and_sections_change_little(
    inverter, tiny_data, tmp_path, monkeypatch
):
    gathers = read(tiny_data / "test-00000.h5").gathers
    inverter.save(tmp_path / "full.safetensors")
    monkeypatch.setattr(inverter_module, "HALVED", 100)

    inverter.save(tmp_path / "half.safetensors", half=True)

    loaded = fwi.load(tmp_path / "half.safetensors")
    parameters = sum(each.numel() for each in inverter.parameters() if each.numel() > 100)
    sizes = [(tmp_path / f"{name}.safetensors").stat().st_size for name in ("full", "half")]
    assert sizes[0] - sizes[1] == pytest.approx(2 * parameters, rel=0.02)
    assert {each.dtype for each in loaded.parameters()} == {torch.float32}
    assert np.abs(loaded.invert(gathers) - inverter.invert(gathers)).max() < 0.5


def test_what_an_earlier_version_saved_inverts_as_before(study, tiny_data, tmp_path, monkeypatch):
    """Its settings name its amplitudes, and no knee: there was none."""
    gathers = read(tiny_data / "test-00000.h5").gathers
    study = study.model_copy(update={"data": DataConfig(amplitude="signed_log")})
    earlier = Inverter(study, Normalisation("signed_log", 1e-3, 2.0)).eval()
    monkeypatch.setitem(inverter_module.SETTINGS, "data", ("amplitude",))
    earlier.save(tmp_path / "inverter.safetensors")
    monkeypatch.undo()

    loaded = fwi.load(tmp_path / "inverter.safetensors")

    assert loaded.study.data.amplitude == loaded.normalise.amplitude == "signed_log"
    np.testing.assert_array_equal(loaded.invert(gathers), earlier.invert(gathers))
    assert not np.allclose(loaded.invert(2 * gathers), loaded.invert(gathers), rtol=0, atol=1e-3)


def test_the_gain_of_a_record_does_not_change_its_section(inverter, tiny_data):
    gathers = read(tiny_data / "test-00000.h5").gathers.astype(np.float32)

    section = inverter.invert(gathers)

    np.testing.assert_array_equal(inverter.invert(2 * gathers), section)
    np.testing.assert_array_equal(inverter.invert(0.5 * gathers), section)


@pytest.fixture(scope="module")
def uneven(study: StudyConfig) -> Inverter:
    """One whose sections depend on the record, and differ from those of the mirrored record."""
    torch.manual_seed(3)
    made = Inverter(study.model_copy(update={"train": TrainConfig(precision="32")}))
    torch.nn.init.normal_(made.network.head.project.weight)
    return made.eval()


def test_a_section_is_averaged_with_that_of_the_mirrored_record(uneven, tiny_data):
    gathers = read(tiny_data / "test-00000.h5").gathers
    mirrored = gathers[:, ::-1, :, ::-1]
    once, other = uneven.invert(gathers), uneven.invert(mirrored)[:, :, ::-1]

    section = uneven.invert(gathers, mirror=True)

    assert np.abs(once - other).max() > 10
    np.testing.assert_allclose(section, (once + other) / 2, atol=0.05)
    np.testing.assert_allclose(uneven.invert(mirrored, mirror=True), section[:, :, ::-1], atol=0.05)


def test_the_study_has_sections_averaged_where_records_are_inverted_and_nowhere_else(
    uneven, tiny_data, monkeypatch
):
    gathers = read(tiny_data / "test-00000.h5").gathers
    with torch.no_grad():
        trained_on = uneven(torch.from_numpy(gathers.astype(np.float32)))
    once, averaged = uneven.invert(gathers), uneven.invert(gathers, mirror=True)
    model = uneven.study.model.model_copy(update={"mirror": True})
    monkeypatch.setattr(uneven, "study", uneven.study.model_copy(update={"model": model}))

    np.testing.assert_array_equal(uneven.invert(gathers), averaged)
    np.testing.assert_array_equal(uneven.invert(gathers, mirror=False), once)
    with torch.no_grad():
        assert torch.equal(uneven(torch.from_numpy(gathers.astype(np.float32))), trained_on)


def test_mirroring_is_refused_where_the_mirrored_record_is_of_another_survey(tiny_study, tiny_data):
    gathers = read(tiny_data / "test-00000.h5").gathers
    survey = tiny_study.survey.model_copy(update={"shot_x": (80.0, 200.0, 300.0, 620.0), "shot_margin": None})
    lopsided = tiny_study.model_copy(update={"survey": survey, "model": ModelConfig(channels=(4, 8))})

    with pytest.raises(ValueError, match=r"model\.mirror: .*not symmetric"):
        Inverter(lopsided).invert(gathers, mirror=True)


def test_weights_have_the_same_names_whether_records_are_sorted_or_not(tiny_study):
    names = [
        list(Inverter(tiny_study.model_copy(update={"model": model})).state_dict())
        for model in (ModelConfig(columns="receivers"), ModelConfig(columns="midpoints"))
    ]

    assert names[0] == names[1]
    assert "normalise.scale" in names[0]


def test_it_is_differentiable_with_respect_to_the_records(inverter, tiny_data):
    gathers = torch.from_numpy(read(tiny_data / "test-00000.h5").gathers[:1].astype(np.float32))

    inverter(gathers.requires_grad_()).sum().backward()

    assert gathers.grad is not None
    assert gathers.grad.abs().max() > 0


@pytest.mark.slow
def test_loading_and_inverting_import_no_trainer_and_no_simulator(file, tiny_data):
    program = f"""
import pathlib, sys, fwi
from fwi.shards import read
inverter = fwi.load({str(file)!r})
section = inverter.invert(read(pathlib.Path({str(tiny_data)!r}, "test-00000.h5")).gathers[0])
heavy = {{"lightning", "torchmetrics", "wandb", "deepwave", "matplotlib", "sympy", "torch._dynamo"}}
heavy = (heavy | {{"scipy.fft", "scipy.optimize", "scipy.stats"}}) & set(sys.modules)
assert section.shape == (24, 36) and not heavy, heavy
"""
    subprocess.run([sys.executable, "-c", program], check=True)


def test_any_changed_bit_is_noticed(file):
    whole, random = file.read_bytes(), np.random.default_rng(0)

    for bit in random.integers(8 * len(whole), size=60).tolist():
        damaged = bytearray(whole)
        damaged[bit // 8] ^= 1 << bit % 8
        file.write_bytes(damaged)
        with pytest.raises(InverterError, match=r"inverter\.safetensors: "):
            fwi.load(file)


@pytest.mark.parametrize("content", [b"", b"{", b"\x08" + bytes(15), bytes(100)])
def test_other_files_are_refused(content, tmp_path):
    (tmp_path / "other").write_bytes(content)

    with pytest.raises(InverterError, match="not an inverter, or damaged"):
        fwi.load(tmp_path / "other")


def test_a_missing_file_is_refused_saying_what_writes_one(tmp_path):
    with pytest.raises(InverterError, match="no such file; training writes one"):
        fwi.load(tmp_path / "none.safetensors")


def test_another_format_and_other_settings_are_refused(file, inverter):
    with pytest.raises(InverterError, match="its format is 7, not 1"):
        fwi.load(rewritten(file, format="7"))
    inverter.save(file)
    with pytest.raises(InverterError, match="its checksum differs"):
        fwi.load(rewritten(file, settings="{}"))


def test_weights_of_another_network_are_refused_before_memory_is_taken(file, inverter, monkeypatch):
    settings = inverter.study.model_dump(mode="json")
    settings["model"]["channels"] = [4, 100_000]
    huge = StudyConfig.model_validate(settings)
    monkeypatch.setattr(inverter, "study", huge)

    inverter.save(file)

    with pytest.raises(InverterError, match="does not belong to the network of its settings"):
        fwi.load(file)


def test_settings_hold_no_path_of_the_machine_it_was_trained_on(file):
    with safe_open(file, "pt") as opened:
        notes = opened.metadata()

    assert set(json.loads(notes["settings"])["data"]) == {"amplitude", "knee"}
    assert "storage" not in json.loads(notes["settings"])
    assert "/tmp" not in notes["settings"]


def test_inverter_with_settings_of_an_earlier_version_is_read(file, inverter):
    with safe_open(file, "pt") as opened:
        tensors = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118
        notes = opened.metadata()
    settings = json.loads(notes["settings"])
    settings["check"] = {"refine": 3, "order": 4, "nrms_share": 0.5, "correlation": 0.8, "shift": 0.01}
    notes["settings"] = json.dumps(settings)
    del notes["sha256"]
    inverter_file.write(file, notes, tensors)

    assert fwi.load(file).study.check.finer == 3
