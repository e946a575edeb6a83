"""Every quantity against its formula in numpy, its gradient against finite differences, and physics."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.autograd import gradcheck

from fwi.misfit import (
    band_passed,
    correlation,
    cross_correlation,
    gain_on_recorded,
    gain_on_simulated,
    normalised_rms,
    offset_window,
    time_shift,
    time_window,
    weighted_by_time,
)

DT = 0.01  # s
COMPARISONS = {
    "gain_on_simulated": gain_on_simulated,
    "gain_on_recorded": gain_on_recorded,
    "normalised_rms": normalised_rms,
    "correlation": correlation,
    "cross_correlation": cross_correlation,
    "time_shift": lambda recorded, simulated: time_shift(recorded, simulated, DT),
}
FILTERS = {
    "weighted_by_time": lambda gathers: weighted_by_time(gathers, DT, power=1.5),
    "band_passed": lambda gathers: band_passed(gathers, DT, 5.0, 20.0),
}


def random_gathers(*shape: int, seed: int = 0) -> Tensor:
    return torch.from_numpy(np.random.default_rng(seed).standard_normal(shape).astype(np.float32))


def pulses(delay: float = 0.0, shape: tuple[int, int, int] = (2, 200, 5)) -> Tensor:
    """Traces with a Ricker pulse of 10 Hz each, at times of its own, ``delay`` seconds late."""
    shots, nt, receivers = shape
    arrival = np.random.default_rng(3).uniform(0.6, 1.2, (shots, 1, receivers))
    phase = (np.pi * 10 * (np.arange(nt)[:, None] * DT - arrival - delay)) ** 2
    return torch.from_numpy(((1 - 2 * phase) * np.exp(-phase)).astype(np.float32))


@pytest.fixture
def pair() -> tuple[Tensor, Tensor]:
    """Recorded and simulated gathers of 2 models, 3 shots, 50 times and 4 receivers with much in common."""
    recorded, noise = random_gathers(2, 2, 3, 50, 4)
    return recorded, 0.4 * recorded + 0.3 * noise


def test_time_weight_is_a_power_of_the_time_in_seconds():
    gathers = random_gathers(2, 3, 50, 4)
    time = np.arange(50) * DT

    for power in (0, 1, 2, 0.5):
        found = weighted_by_time(gathers, DT, power)
        np.testing.assert_allclose(found, gathers.numpy() * (time**power)[:, None], rtol=1e-12)


@pytest.mark.parametrize("over", [None, (-3, -2, -1), (-2, -1), (-2,)])
def test_gains_and_nrms_are_those_of_numpy_over_any_axes(pair, over):
    recorded, simulated = (gathers.numpy().astype(np.float64) for gathers in pair)
    product = (recorded * simulated).sum(over, keepdims=True)
    on_simulated = product / (simulated**2).sum(over, keepdims=True)
    on_recorded = product / (recorded**2).sum(over, keepdims=True)
    nrms = np.sqrt(((simulated - recorded) ** 2).sum(over) / (recorded**2).sum(over))

    np.testing.assert_allclose(gain_on_simulated(*pair, over), on_simulated, rtol=1e-10)
    np.testing.assert_allclose(gain_on_recorded(*pair, over), on_recorded, rtol=1e-10)
    np.testing.assert_allclose(normalised_rms(pair[1], pair[0], over), nrms, rtol=1e-10)


def test_no_other_gain_leaves_less_on_the_side_that_the_name_says(pair):
    recorded, simulated = pair
    on_simulated, on_recorded = gain_on_simulated(*pair), gain_on_recorded(*pair)

    for other in (0.99, 1.01):
        least = normalised_rms(on_simulated * simulated, recorded)
        assert least < normalised_rms(other * on_simulated * simulated, recorded)
        least = normalised_rms(on_recorded * recorded, simulated)
        assert least < normalised_rms(other * on_recorded * recorded, simulated)


def test_correlation_is_the_normalised_inner_product_of_traces(pair):
    recorded, simulated = (gathers.numpy().astype(np.float64) for gathers in pair)
    norms = np.sqrt((recorded**2).sum(-2) * (simulated**2).sum(-2))

    np.testing.assert_allclose(correlation(*pair), (recorded * simulated).sum(-2) / norms, rtol=1e-10)


def test_cross_correlation_is_that_of_numpy_at_every_lag(pair):
    recorded, simulated = (gathers[1, 2, :, 3].double().numpy() for gathers in pair)

    found = cross_correlation(*pair)[1, 2, :, 3]

    assert len(found) == 100
    np.testing.assert_allclose(found[1:], np.correlate(simulated, recorded, "full"), atol=1e-10)
    np.testing.assert_allclose(found[0], 0, atol=1e-10)  # a shift by the whole record leaves no overlap


@pytest.mark.parametrize("delay", [-0.113, -0.004, 0.0, 0.006, 0.25])
def test_time_shift_is_the_delay_of_the_simulated_traces(delay):
    found = time_shift(pulses(), 3 * pulses(delay), DT)

    np.testing.assert_allclose(found, delay, atol=0.05 * DT)


def test_time_shift_is_the_vertex_of_the_parabola_through_the_best_lag_and_its_neighbours(pair):
    found = time_shift(*pair, DT)

    for model, shot, receiver in np.ndindex(2, 3, 4):
        recorded, simulated = (gathers[model, shot, :, receiver].double().numpy() for gathers in pair)
        lags = np.correlate(simulated, recorded, "full")
        best = int(lags.argmax())
        curve = np.polynomial.Polynomial.fit([-1, 0, 1], lags[best - 1 : best + 2], 2)
        vertex = curve.deriv().roots()[0]
        assert found[model, shot, receiver] == pytest.approx((best - 49 + vertex) * DT, rel=1e-8)


@pytest.mark.parametrize("dead", ["recorded", "simulated"])
def test_dead_traces_have_no_correlation_no_shift_and_no_gradient(dead):
    recorded, simulated = pulses(), pulses(0.02)
    (recorded if dead == "recorded" else simulated)[0, :, 2] = 0
    simulated.requires_grad_()

    found = torch.stack([correlation(recorded, simulated), time_shift(recorded, simulated, DT)])
    found.sum().backward()

    assert not found[:, 0, 2].any()
    assert simulated.grad.isfinite().all()
    assert not simulated.grad[0, :, 2].any()


def test_silent_gathers_have_a_gain_of_zero_whose_gradient_is_finite():
    silent = torch.zeros(2, 50, 3, requires_grad=True)

    gain = gain_on_simulated(random_gathers(2, 50, 3), silent, over=(-2, -1))
    gain.sum().backward()

    assert not gain.any()
    assert silent.grad.isfinite().all()


def test_gradient_of_the_nrms_is_zero_where_the_gathers_agree():
    reference = random_gathers(2, 50, 3)
    gathers = reference.clone().requires_grad_()

    nrms = normalised_rms(gathers, reference)
    nrms.backward()

    assert nrms == 0
    assert not gathers.grad.any()


@pytest.mark.parametrize("name", COMPARISONS)
def test_gradients_of_comparisons_are_those_of_finite_differences(name):
    recorded, noise = random_gathers(2, 2, 12, 3).double()
    simulated = 0.5 * recorded + 0.2 * noise

    assert gradcheck(COMPARISONS[name], (recorded.requires_grad_(), simulated.requires_grad_()))


@pytest.mark.parametrize("name", FILTERS)
def test_gradients_of_weights_and_filters_are_those_of_finite_differences(name):
    assert gradcheck(FILTERS[name], random_gathers(2, 12, 3).double().requires_grad_())


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_does_not_overflow(pair, dtype):
    recorded, simulated = ((6e4 * gathers / gathers.abs().max()).to(dtype) for gathers in pair)

    for name, compare in COMPARISONS.items():
        found, exact = compare(recorded, -simulated), compare(recorded.double(), -simulated.double())
        assert found.isfinite().all(), name
        torch.testing.assert_close(found, exact, msg=name)
    assert weighted_by_time(recorded, 10.0, power=2).isfinite().all()
    assert band_passed(recorded, DT, 5.0, 20.0).isfinite().all()


def test_single_precision_keeps_the_loudest_and_the_faintest_records(pair):
    recorded, simulated = (gathers / gathers.abs().max() for gathers in pair)

    for amplitude in (3e38, 1e-37):
        for name in set(COMPARISONS) - {"cross_correlation"}:  # which alone has an amplitude
            found = COMPARISONS[name](amplitude * recorded, amplitude * simulated)
            usual = COMPARISONS[name](recorded, simulated)
            torch.testing.assert_close(found, usual, rtol=1e-4, atol=1e-6, msg=name)


@pytest.mark.parametrize("device", ["meta", "cuda"])
def test_everything_happens_on_the_device_of_the_gathers(pair, device):
    if device == "cuda" and not torch.cuda.is_available():
        pytest.skip("there is no GPU")
    recorded, simulated = (gathers.to(device) for gathers in pair)
    offset = torch.ones(3, 4, device=device)

    found = [compare(recorded, simulated) for compare in COMPARISONS.values()]
    found += [transform(recorded) for transform in FILTERS.values()]
    found += [offset_window(offset, 0.0, 2.0), time_window(offset, offset + 1, 50, DT, taper=0.1)]

    assert {one.device.type for one in found} == {device}
    if device == "cuda":
        for one, other in zip(found, [compare(*pair) for compare in COMPARISONS.values()], strict=False):
            torch.testing.assert_close(one.cpu(), other)


@pytest.mark.parametrize("name", COMPARISONS)
def test_gathers_of_other_shapes_are_refused(name):
    with pytest.raises(ValueError, match=r"shape \(., 50, 3\) cannot be compared with .* shape \(., 50, 3\)"):
        COMPARISONS[name](torch.ones(2, 50, 3), torch.ones(1, 50, 3))


def test_offset_window_keeps_the_traces_between_two_offsets():
    offset = torch.tensor([[0.0, 100.0, 200.0], [300.0, 200.0, 100.0]])

    window = offset_window(offset, 100.0, 200.0)

    assert (window * torch.ones(2, 5, 3))[:, 0].tolist() == [[0, 1, 1], [0, 1, 1]]


def test_time_window_follows_the_offset_and_has_tapers_outside():
    offset = torch.tensor([[0.0, 750.0]])
    start = offset / 1500 + 0.5

    window = time_window(start, start + 0.2, nt=200, dt=DT, taper=0.1)

    assert window.shape == (1, 200, 2)
    time = np.arange(200) * DT
    for receiver, first in enumerate((0.5, 1.0)):
        outside = np.clip(np.maximum(first - time, time - first - 0.2), 0, 0.1)
        np.testing.assert_allclose(
            window[0, :, receiver], np.cos(0.5 * np.pi * outside / 0.1) ** 2, atol=1e-5
        )


def test_time_window_without_a_taper_is_refused():
    with pytest.raises(ValueError, match="taper of 0 s must be positive"):
        time_window(torch.zeros(1, 1), torch.ones(1, 1), nt=10, dt=DT, taper=0.0)


@pytest.mark.parametrize(
    ("lowest", "highest", "kept"),
    [(5, 20, [10]), (0, 4, [3]), (25, math.inf, [40]), (0, 20, [3, 10]), (0, math.inf, [3, 10, 40])],
)
def test_band_keeps_waves_within_it_and_removes_those_an_octave_outside(lowest, highest, kept):
    time = np.arange(2000) * DT
    packet = np.exp(-(((time - 10) / 2) ** 2))
    waves = {frequency: np.sin(2 * np.pi * frequency * time) * packet for frequency in (3, 10, 40)}
    gather = torch.from_numpy(sum(waves.values()))[None, :, None]

    found = band_passed(gather, DT, lowest, highest)[0, :, 0]

    np.testing.assert_allclose(found, sum(waves[frequency] for frequency in kept), atol=1e-4)


def test_band_falls_by_half_in_the_middle_of_its_edge():
    time = np.arange(4000) * DT
    edge = 10 * 2**0.25  # a quarter of an octave above the band
    wave = torch.from_numpy(np.sin(2 * np.pi * edge * time) * np.exp(-(((time - 20) / 5) ** 2)))

    found = band_passed(wave[None, :, None], DT, 0.0, 10.0)

    assert float(found.norm() / wave.norm()) == pytest.approx(0.5, rel=0.01)


def test_end_of_a_record_does_not_run_into_its_beginning():
    gather = torch.zeros(1, 400, 1)
    gather[0, -1] = 1.0

    found = band_passed(gather, DT, 5.0, 20.0)[0, :, 0]

    assert found[:100].abs().max() < 1e-3 * found.abs().max()


def test_empty_band_is_refused():
    with pytest.raises(ValueError, match=r"band 5 \.\. 5 Hz is empty"):
        band_passed(torch.ones(1, 10, 1), DT, 5.0, 5.0)
