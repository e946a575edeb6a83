"""The gain of foreign records: found where they are their models', refused with numbers elsewhere."""

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from data_prep.foreign.calibration import RecordsError, calibrate, refuse_aliasing
from fwi import config
from fwi.config import StudyConfig
from fwi.physics import Propagator
from fwi.survey import Survey


def models(number: int = 3) -> NDArray[np.float32]:
    """Three layers of random speeds, unlike from the surface on."""
    speeds = np.random.default_rng(3).uniform(1600, 4400, (number, 3)).astype(np.float32)
    return np.repeat(np.repeat(speeds, 8, axis=1)[:, :, None], 36, axis=2)


def simulated(study: StudyConfig, velocity: NDArray[np.float32], **survey: object) -> NDArray[np.float32]:
    survey_config = study.survey.model_copy(update=survey)
    propagator = Propagator(Survey(study.grid, survey_config), study.physics)
    with torch.inference_mode():
        return propagator(torch.from_numpy(velocity)).numpy()


@pytest.mark.parametrize("factor", [-3.7e5, 100.0, 1e-9])
def test_scale_and_sign_of_records_are_recovered(tiny_study: StudyConfig, factor: float) -> None:
    velocity = models()
    noise = np.random.default_rng(0).normal(size=simulated(tiny_study, velocity).shape)
    records = simulated(tiny_study, velocity)
    noisy = records + 0.05 * records.std() * noise

    found = calibrate(tiny_study, velocity, (factor * noisy).astype(np.float32))

    assert found.gain * factor == pytest.approx(1, rel=5e-3)
    assert found.nrms == pytest.approx(0.05, rel=0.2)
    assert calibrate(tiny_study, velocity, factor * records).gain == pytest.approx(1 / factor, rel=1e-4)


def test_records_of_other_models_are_refused_with_their_misfit(tiny_study: StudyConfig) -> None:
    velocity = models()
    records = simulated(tiny_study, velocity)

    with pytest.raises(RecordsError, match="the records do not match their models") as refused:
        calibrate(tiny_study, velocity, records[[1, 2, 0]])

    told = float(re.search(r"against simulated ones is ([\d.]+) \(by shot", str(refused.value)).group(1))
    assert 0.3 < told < 3


def test_one_wrong_pair_among_right_ones_is_refused(tiny_study: StudyConfig) -> None:
    velocity = np.concatenate([models(3), models(3)])
    records = simulated(tiny_study, velocity)
    records[5] = records[0]

    with pytest.raises(RecordsError, match="do not match"):
        calibrate(tiny_study, velocity, records)


def test_a_shot_elsewhere_is_told_by_its_misfit(tiny_study: StudyConfig) -> None:
    velocity = models()
    there = tuple(Survey(tiny_study.grid, tiny_study.survey).shot_x + np.array([0, 60.0, 0, 0]))
    records = simulated(tiny_study, velocity, shot_x=there, shot_margin=None)

    with pytest.raises(RecordsError, match="do not match") as refused:
        calibrate(tiny_study, velocity, records)

    shots = [
        float(value) for value in re.search(r"by shot ([\d., ]+)\)", str(refused.value)).group(1).split(",")
    ]
    assert np.argmax(shots) == 1


def test_a_wavelet_that_peaks_earlier_is_recognised_and_named(tiny_study: StudyConfig) -> None:
    velocity = models()
    other = tiny_study.survey.wavelet.model_copy(update={"peak_time": 0.11})
    records = simulated(tiny_study, velocity, wavelet=other)

    with pytest.raises(RecordsError, match=r"0\.04 s later they would match to 0\.0\d: set") as refused:
        calibrate(tiny_study, velocity, -50 * records)

    assert "survey.wavelet.peak_time 0.11" in str(refused.value)
    mended = tiny_study.model_copy(update={"survey": tiny_study.survey.model_copy(update={"wavelet": other})})
    assert calibrate(mended, velocity, -50 * records).gain == pytest.approx(-0.02, rel=1e-3)


@pytest.mark.parametrize(("frequency", "thinning", "enough"), [(30.0, 10, 8), (30.0, 20, 8)])
def test_thinning_that_would_alias_is_refused_with_what_would_do(
    tiny_study: StudyConfig, frequency: float, thinning: int, enough: int
) -> None:
    t = np.arange(1000) * 0.002  # a tone at 30 Hz needs samples at least every 16 ms
    records = (np.sin(2 * np.pi * frequency * t) * np.hanning(1000))[None, None, :, None].astype(np.float32)

    with pytest.raises(RecordsError, match=rf"keep_every {thinning}: 100\.0% .* take {enough} "):
        refuse_aliasing(tiny_study, records, thinning)
    refuse_aliasing(tiny_study, records, enough)


def test_a_record_that_ends_before_its_waves_does_not_alias(tiny_study: StudyConfig) -> None:
    t = np.arange(1000) * 0.002
    records = np.sin(2 * np.pi * 5.1 * t)[None, None, :, None].astype(np.float32)

    refuse_aliasing(tiny_study, records, 10)


def test_records_of_openfwis_scheme_match_ours_at_a_hundredth() -> None:
    """OpenFWI's records are of fourth order in space, second in time, with the source on one cell."""
    study = config.load([Path(__file__).parents[3] / "configs/openfwi.yaml"])
    velocity = np.full((1, 70, 70), 2000.0, np.float32)
    velocity[:, 30:] = 3000.0

    records = openfwi_record(velocity[0], shot=study.survey.shot_x[1], steps=400)

    ours = study.model_copy(
        update={
            "survey": study.survey.model_copy(
                update={"shots": 1, "shot_x": study.survey.shot_x[1:2], "nt": 400}
            )
        }
    )
    found = calibrate(ours, velocity, records[None, None])
    assert found.gain == pytest.approx(0.01, rel=0.003)
    assert found.nrms < 0.01


def openfwi_record(model: NDArray[np.float32], shot: float, steps: int) -> NDArray[np.float32]:
    """A record by the scheme that OpenFWI's paper gives, written out: 10 m, 1 ms, 15 Hz, a sponge."""
    spacing, dt, frequency, sponge = 10.0, 1e-3, 15.0, 60
    v = np.pad(model.astype(np.float64), sponge, mode="edge")
    outside = np.clip(np.abs(np.arange(len(v)) - (len(v) - 1) / 2) - 34.5, 0, None) / sponge
    damping = 3 * v.min() * np.log(1e7) / (2 * sponge * spacing) * dt
    damping = damping * np.maximum(outside[:, None], outside) ** 2
    half = round(1.1 / frequency / dt)
    t = (np.arange(steps) - half) * dt
    wavelet = (1 - 2 * (np.pi * frequency * t) ** 2) * np.exp(-((np.pi * frequency * t) ** 2))
    row, column = sponge + 1, sponge + round(shot / spacing)
    before, now = np.zeros_like(v), np.zeros_like(v)
    record = np.zeros((steps, 70), np.float32)
    for step in range(steps):
        laplacian = -5 * now
        for axis in (0, 1):
            for distance, weight in ((1, 4 / 3), (2, -1 / 12)):
                laplacian += weight * (np.roll(now, distance, axis) + np.roll(now, -distance, axis))
        after = (2 - damping) * now - (1 - damping) * before + (v * dt / spacing) ** 2 * laplacian
        after[row, column] += (v[row, column] * dt) ** 2 * wavelet[step]
        record[step] = after[row, sponge : sponge + 70]
        before, now = now, after
    return record
