"""Intervals of an inverter: in one pass with the section, calibrated, saved and loaded."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

import fwi
from fwi import inverter_file
from fwi.config import ModelConfig, StudyConfig, TrainConfig
from fwi.data import ShotDataset
from fwi.inverter import Inverter
from fwi.manifest import DataSet
from fwi.shards import read
from fwi.uncertainty import Calibration, Scale, calibrate, joint_spread

ZOO = Path(fwi.__file__).parent / "zoo" / "salt-half.safetensors"


def made(study: StudyConfig, kind: str = "laplace", seed: int = 3) -> Inverter:
    """One whose sections and spreads depend on the record."""
    model = ModelConfig(channels=(4, 8), columns="offsets", offsets=4, uncertainty=kind)
    torch.manual_seed(seed)
    inverter = Inverter(study.model_copy(update={"model": model, "train": TrainConfig(precision="32")}))
    torch.nn.init.normal_(inverter.network.head.project.weight)
    if inverter.network.spread is not None:
        torch.nn.init.normal_(inverter.network.spread.project.weight)
    return inverter.eval()


@pytest.fixture(scope="module")
def calibration(tiny_study: StudyConfig) -> Calibration:
    scale = Scale(sections=99, weights={"head": 0.5, "floor": 10}, factor=2, top=30, base=50, constant=200)
    grid = tiny_study.grid
    about = {"threshold": 3500.0, "velocity": grid.velocity, "spacing": grid.spacing, "network": scale}
    return Calibration(coverage=0.9, confidence=None, **about)


@pytest.fixture
def inverter(tiny_study: StudyConfig, calibration: Calibration) -> Inverter:
    inverter = made(tiny_study)
    inverter.calibration["uncertainty"] = calibration.model_dump(mode="json")
    return inverter


@pytest.fixture(scope="module")
def gathers(tiny_data: Path) -> np.ndarray:
    return read(tiny_data / "test-00000.h5").gathers.astype(np.float32)


@pytest.mark.parametrize("mirror", [False, True])
def test_section_with_its_spread_is_the_section(mirror, inverter, gathers):
    spread = inverter.spread(gathers, mirror=mirror)

    np.testing.assert_array_equal(spread.section, inverter.invert(gathers, mirror=mirror))
    assert spread.sources.keys() == ({"head", "mirror"} if mirror else {"head"})
    for source in spread.sources.values():
        assert source.shape == (4, 2, *spread.section.shape[1:])
        assert (source >= 0).all()


def test_interval_surrounds_the_section_by_the_calibrated_half_width(inverter, gathers):
    section, spread = inverter.invert(gathers[0]), inverter.spread(gathers[0])

    lower, upper, top, base = inverter.interval(gathers[0])

    half = 2 * (0.5 * spread.sources["head"] + 10)
    slowest, fastest = inverter.study.grid.velocity
    np.testing.assert_allclose(lower, np.maximum(section - half[0], slowest), rtol=1e-6)
    np.testing.assert_allclose(upper, np.minimum(section + half[1], fastest), rtol=1e-6)
    assert top.shape == base.shape == (2, section.shape[1])
    assert (~np.isnan(top[0]) == (section >= 3500).any(axis=0)).all()


def test_a_mirrored_record_has_the_mirrored_interval(inverter, gathers):
    """To rounding: sorted sections are stacked in another order. The network's last bias is symmetric."""
    spread, other = (
        inverter.spread(gathers, mirror=True),
        inverter.spread(gathers[:, ::-1, :, ::-1], mirror=True),
    )

    for name, source in spread.sources.items():
        np.testing.assert_allclose(other.sources[name][..., ::-1], source, rtol=1e-2, atol=0.2)
    np.testing.assert_allclose(other.section[..., ::-1], spread.section, atol=0.1)


def test_saved_and_loaded_the_intervals_are_the_same(inverter, gathers, tmp_path):
    inverter.save(tmp_path / "inverter.safetensors")

    loaded = fwi.load(tmp_path / "inverter.safetensors")

    for own, other in zip(inverter.interval(gathers), loaded.interval(gathers), strict=True):
        np.testing.assert_array_equal(own, other)


def test_a_file_from_before_there_were_intervals_loads_and_says_that_it_has_none(
    tiny_study, gathers, tmp_path
):
    made(tiny_study, "none").save(tmp_path / "inverter.safetensors")
    notes, tensors = inverter_file.read(tmp_path / "inverter.safetensors")
    settings = json.loads(notes["settings"])
    del settings["model"]["uncertainty"]
    inverter_file.write(
        tmp_path / "inverter.safetensors", {**notes, "settings": json.dumps(settings)}, tensors
    )

    inverter = fwi.load(tmp_path / "inverter.safetensors")

    assert inverter.study.model.uncertainty == "none"
    with pytest.raises(ValueError, match=r"not calibrated: .*'fwi calibrate --run RUN'"):
        inverter.interval(gathers[0])


def test_the_network_in_the_box_has_intervals():
    lower, upper, *_ = fwi.load(ZOO).interval(np.zeros((29, 200, 151), np.float32))

    assert (lower < upper).all()


def test_without_a_head_the_mirrored_record_alone_hints_at_errors(tiny_study, gathers):
    inverter = made(tiny_study, "none")

    assert not inverter.spread(gathers).sources
    assert inverter.spread(gathers, mirror=True).sources.keys() == {"mirror"}


def test_several_inverters_give_their_mean_and_how_much_they_differ(tiny_study, gathers):
    one, two = made(tiny_study, seed=1), made(tiny_study, seed=2)

    joint = joint_spread([one, two], gathers)

    sections = np.stack([one.invert(gathers), two.invert(gathers)])
    np.testing.assert_allclose(joint.section, sections.mean(axis=0), rtol=1e-6)
    deviation = np.abs(sections[0] - sections[1]) / 2
    np.testing.assert_allclose(joint.sources["members"][:, 0], deviation, rtol=1e-3, atol=1e-2)
    assert joint.sources.keys() == {"head", "members"}


def test_calibration_on_a_data_set_holds_its_models(tiny_study, tiny_data, monkeypatch):
    """Eight training samples, taken often enough for a guarantee."""
    inverter = made(tiny_study)
    few = ShotDataset([DataSet.read(tiny_data)], "train")
    many = type("Many", (), {"survey": few.survey, "__len__": lambda _: 40})()
    many.__class__.__getitem__ = lambda _, number: few[number % len(few)]

    calibration = calibrate(inverter, many)

    assert calibration.network.sections == 40
    assert calibration.network.weights.keys() == {"head", "floor"}
    inverter.calibration["uncertainty"] = calibration.model_dump(mode="json")
    samples = [few[number] for number in range(len(few))]
    found = inverter.interval(torch.stack([each.gathers for each in samples]).numpy())
    truth = torch.stack([each.velocity for each in samples]).numpy()
    assert ((found.lower <= truth) & (truth <= found.upper)).mean() >= 0.88
    with pytest.raises(ValueError, match="sections do not suffice"):
        calibrate(inverter, few)
