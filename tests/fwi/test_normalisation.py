from pathlib import Path

import numpy as np
import pytest
import torch

from fwi import shards
from fwi.config import StudyConfig
from fwi.data import ShotDataset
from fwi.manifest import DataSet
from fwi.normalisation import Normalisation
from fwi.shards import ShardError
from fwi.survey import Survey


@pytest.fixture
def training(tiny_data: Path) -> ShotDataset:
    return ShotDataset([DataSet.read(tiny_data)], "train")


def test_records_that_are_no_numbers_have_no_amplitudes(training: ShotDataset, monkeypatch) -> None:
    spoilt = training[0]._replace(gathers=torch.full_like(training[0].gathers, torch.nan))
    monkeypatch.setattr(ShotDataset, "__getitem__", lambda *_: spoilt)

    with pytest.raises(ShardError, match="some records are NaN or infinite: 'fwi verify "):
        Normalisation.measured("signed_log", training)


def test_the_signed_logarithm_is_odd_keeps_order_and_fills_one_scale(training: ShotDataset) -> None:
    transform = Normalisation.measured("signed_log", training)
    gathers = torch.stack([training[number].gathers for number in range(8)])

    seen = transform(gathers)

    assert seen.dtype == torch.float32
    assert float(seen.std()) == pytest.approx(1.0, rel=0.02)
    torch.testing.assert_close(transform(-gathers), -seen)
    values = torch.sort(gathers.float().flatten()).values
    assert (transform(values).diff() >= 0).all()


def test_the_normalisation_is_stored_with_the_weights(training: ShotDataset) -> None:
    measured = Normalisation.measured("signed_log", training)
    gathers = training[0].gathers

    loaded = Normalisation("signed_log")
    loaded.load_state_dict(measured.state_dict())

    torch.testing.assert_close(loaded(gathers), measured(gathers), rtol=0, atol=0)
    assert not torch.allclose(Normalisation("signed_log")(gathers), measured(gathers))


def test_raw_amplitudes_stay_as_they_are(training: ShotDataset) -> None:
    transform = Normalisation.measured("raw", training)

    torch.testing.assert_close(transform(training[0].gathers), training[0].gathers.float(), rtol=0, atol=0)


def test_records_of_nothing_are_refused(tiny_copy: StudyConfig) -> None:
    path = tiny_copy.storage.folder / "train-00000.h5"
    samples, survey = shards.read(path), Survey(tiny_copy.grid, tiny_copy.survey)
    shards.write(path, samples._replace(gathers=np.zeros_like(samples.gathers)), survey, {})
    whole = DataSet.read(path.parent)
    silent = DataSet(whole.folder, whole.recipe, {}, (whole.entries[0],))

    with pytest.raises(ShardError, match="more than half of the recorded samples are zero"):
        Normalisation.measured("signed_log", ShotDataset([silent], "train"))
