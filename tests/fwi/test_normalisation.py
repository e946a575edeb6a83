from pathlib import Path

import numpy as np
import pytest
import torch

from fwi import shards
from fwi.config import DataConfig, StudyConfig
from fwi.data import ShotDataset
from fwi.manifest import DataSet
from fwi.normalisation import Normalisation, level
from fwi.shards import ShardError
from fwi.survey import Survey


@pytest.fixture
def training(tiny_data: Path) -> ShotDataset:
    return ShotDataset([DataSet.read(tiny_data)], "train")


@pytest.fixture
def records(training: ShotDataset) -> torch.Tensor:
    """The training records, shape (record, shot, time, receiver); all of their traces are live."""
    return torch.stack([training[number].gathers for number in range(len(training))]).float()


@pytest.mark.parametrize("amplitude", ["own_level", "signed_log"])
def test_records_that_are_no_numbers_have_no_amplitudes(
    amplitude: str, training: ShotDataset, monkeypatch
) -> None:
    spoilt = training[0]._replace(gathers=torch.full_like(training[0].gathers, torch.nan))
    monkeypatch.setattr(ShotDataset, "__getitem__", lambda *_: spoilt)

    with pytest.raises(ShardError, match="some records are NaN or infinite: 'fwi verify "):
        Normalisation.measured(DataConfig(amplitude=amplitude), training)


@pytest.mark.parametrize("amplitude", ["own_level", "signed_log"])
def test_the_signed_logarithm_is_odd_keeps_order_and_fills_one_scale(
    amplitude: str, training: ShotDataset, records: torch.Tensor
) -> None:
    transform = Normalisation.measured(DataConfig(amplitude=amplitude), training)

    seen = transform(records.half())

    assert seen.dtype == torch.float32
    assert float(seen.std()) == pytest.approx(1.0, rel=0.02)
    torch.testing.assert_close(transform(-records), -seen)
    order = records[0].flatten().argsort()
    assert (seen[0].flatten()[order].diff() >= 0).all()


def test_the_knee_of_each_record_is_a_share_of_its_own_level(records: torch.Tensor) -> None:
    transform = Normalisation("own_level", scale=0.25, spread=2.0)

    seen = transform(records)

    rms = records.double().square().mean(2).sqrt().flatten(1)
    middle = rms.sort().values[:, (rms.shape[1] - 1) // 2].view(-1, 1, 1, 1)
    wanted = records.sign() * torch.log(1 + records.double().abs() / (0.25 * middle)) / 2
    torch.testing.assert_close(seen, wanted.float(), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("gain", [0.5, 2.0, 2.0**20, 1e-3, 1e3, 3.7, 1e-25, 1e25])
def test_a_record_of_another_gain_is_the_same_to_the_network(gain: float, records: torch.Tensor) -> None:
    transform = Normalisation("own_level", scale=0.1, spread=2.0)

    seen, loud = transform(records), transform(gain * records)

    exact = np.frexp(gain)[0] == 0.5  # a power of two
    torch.testing.assert_close(loud, seen, rtol=0 if exact else 1e-5, atol=0 if exact else 1e-6)
    torch.testing.assert_close(transform(-gain * records[0]), -loud[0], rtol=0, atol=0)


def test_each_record_of_a_batch_has_its_own_level(records: torch.Tensor) -> None:
    transform = Normalisation("own_level", scale=0.1)
    gains = torch.logspace(-3, 3, len(records)).view(-1, 1, 1, 1)

    alone = torch.stack([transform(record) for record in records])

    torch.testing.assert_close(transform(gains * records), alone, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(transform(records), alone, rtol=0, atol=0)


def test_dead_spiky_and_loud_traces_hardly_move_the_level(records: torch.Tensor) -> None:
    """Each moves it only as far as another sound trace comes to be the middle one, whatever its own size."""
    records = torch.cat([records[::2], records[1::2]], dim=1)  # of eight shots
    random = torch.Generator().manual_seed(0)
    traces = (*records.shape[:2], 1, records.shape[3])
    dead = torch.rand(traces, generator=random) < 0.3
    spikes = torch.zeros_like(records)
    spikes[:, :, 20:21] = 1000 * records.abs().max() * (torch.rand(traces, generator=random) < 0.05)
    shot = torch.ones(records.shape[1], 1, 1)
    shot[1] = 100

    shifts = {
        "dead": level(records * ~dead),
        "spiky": level(records + spikes),
        "loud": level(records * shot),
        "all": level((records + spikes) * shot * ~dead),
    }

    whole = level(records)
    moved = {name: float((other / whole - 1).abs().max()) for name, other in shifts.items()}
    limits = {"dead": 0.05, "spiky": 0.08, "loud": 0.12, "all": 0.25}
    assert all(moved[name] < limits[name] for name in limits), moved


def test_a_trace_that_is_not_finite_does_not_set_the_level(records: torch.Tensor) -> None:
    spoilt, dead = records.clone(), records.clone()
    spoilt[:, 0, 3, 5], spoilt[:, 2, 7, 8] = torch.nan, torch.inf
    dead[:, 0, :, 5], dead[:, 2, :, 8] = 0, 0

    assert torch.equal(level(spoilt), level(dead))


def test_the_order_of_the_shots_and_shots_that_are_missing_do_not_matter(records: torch.Tensor) -> None:
    transform = Normalisation("own_level", scale=0.1)
    without = records.clone()
    without[:, 1] = 0

    assert torch.equal(transform(records.flip(1)), transform(records).flip(1))
    assert torch.equal(level(without), level(records[:, [0, 2, 3]]))
    assert torch.equal(transform(without)[:, 0], transform(records[:, [0, 2, 3]])[:, 0])


def test_silence_stays_silent(records: torch.Tensor) -> None:
    transform = Normalisation("own_level", scale=0.1)
    records[0], records[1, :, 10] = 0, 0

    seen = transform(records.requires_grad_())
    seen.sum().backward()

    assert not seen[0].any()
    assert torch.equal(seen == 0, records == 0)
    assert torch.isfinite(records.grad).all()


def test_half_precision_up_to_its_limits_is_normalised_as_its_float32_equals(records: torch.Tensor) -> None:
    transform = Normalisation("own_level", scale=0.1)
    largest = (records * (65504 / records.abs().max())).half()

    seen = transform(largest)

    assert torch.isfinite(seen).all()
    assert torch.equal(seen, transform(largest.float()))


def test_the_normalisation_is_stored_with_the_weights(training: ShotDataset) -> None:
    measured = Normalisation.measured(DataConfig(), training)
    gathers = training[0].gathers

    loaded = Normalisation("own_level")
    loaded.load_state_dict(measured.state_dict())

    torch.testing.assert_close(loaded(gathers), measured(gathers), rtol=0, atol=0)
    assert not torch.allclose(Normalisation("own_level")(gathers), measured(gathers))


def test_raw_amplitudes_stay_as_they_are(training: ShotDataset) -> None:
    transform = Normalisation.measured(DataConfig(amplitude="raw"), training)

    torch.testing.assert_close(transform(training[0].gathers), training[0].gathers.float(), rtol=0, atol=0)


@pytest.mark.parametrize(
    ("amplitude", "why"),
    [
        ("signed_log", "more than half of the recorded samples are zero"),
        ("own_level", "all recorded samples"),
    ],
)
def test_records_of_nothing_are_refused(amplitude: str, why: str, tiny_copy: StudyConfig) -> None:
    path = tiny_copy.storage.folder / "train-00000.h5"
    samples, survey = shards.read(path), Survey(tiny_copy.grid, tiny_copy.survey)
    shards.write(path, samples._replace(gathers=np.zeros_like(samples.gathers)), survey, {})
    whole = DataSet.read(path.parent)
    silent = DataSet(whole.folder, whole.recipe, {}, (whole.entries[0],))

    with pytest.raises(ShardError, match=why):
        Normalisation.measured(DataConfig(amplitude=amplitude), ShotDataset([silent], "train"))
