import os
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.special import hankel2
from torch import Tensor
from torch.nn.functional import interpolate

from fwi.config import GridConfig, PhysicsConfig, SurveyConfig, WaveletConfig
from fwi.physics import Propagator, VelocityRangeError
from fwi.survey import Survey, SurveyError

ROOT = Path(__file__).resolve().parents[2]


def survey(nz: int = 41, nx: int = 51, spacing: float = 10.0, frequency: float = 12.0, **changes) -> Survey:
    """A small survey: 0.4 x 0.5 km on cells of 10 m, 12 Hz."""
    settings = {
        "shots": 3,
        "receivers": nx,
        "depth": spacing,
        "dt": 0.001,
        "nt": 400,
        "keep_every": 5,
    } | changes
    return Survey(
        GridConfig(nz=nz, nx=nx, spacing=spacing),
        SurveyConfig(wavelet=WaveletConfig(frequency=frequency), **settings),
    )


def homogeneous(made: Survey, speed: float = 2500.0) -> Tensor:
    return torch.full((1, made.grid.nz, made.grid.nx), speed)


def heterogeneous(made: Survey, batch: int = 1, seed: int = 0) -> Tensor:
    """Smoothly random models between 1600 and 4400 m/s."""
    coarse = 1600 + 2800 * torch.rand(batch, 1, 6, 7, generator=torch.Generator().manual_seed(seed))
    return interpolate(coarse, (made.grid.nz, made.grid.nx), mode="bilinear", align_corners=True)[:, 0]


def record(made: Survey, velocity: Tensor, **physics) -> np.ndarray:
    """Records of the first model, ``(shot, time, receiver)``."""
    with torch.inference_mode():
        return Propagator(made, PhysicsConfig(**physics))(velocity)[0].double().numpy()


def greens_function(made: Survey, distance: np.ndarray, speed: float) -> np.ndarray:
    """Pressure at distances [m] in a homogeneous 2-D medium, ``(*distance.shape, nt)``, not thinned."""
    samples = 8 * made.config.nt
    omega = 2 * np.pi * np.fft.rfftfreq(samples, made.config.dt)
    spectrum = np.zeros((*distance.shape, len(omega)), complex)
    spectrum[..., 1:] = -0.25j * hankel2(0, omega[1:] * np.maximum(distance, 1.0)[..., None] / speed)
    return np.fft.irfft(spectrum * np.fft.rfft(made.wavelet, samples), samples)[..., : made.config.nt]


def analytic(made: Survey, speed: float) -> np.ndarray:
    """Records of a homogeneous medium, ``(shot, time, receiver)``; the free surface by an image source."""
    along = made.receiver_x - made.shot_x[:, None]
    records = greens_function(made, np.hypot(along, made.receiver_depth - made.shot_depth), speed)
    if made.config.top == "free":
        records -= greens_function(made, np.hypot(along, made.receiver_depth + made.shot_depth), speed)
    return records[..., :: made.config.keep_every].transpose(0, 2, 1)


def nrms(records: np.ndarray, reference: np.ndarray) -> float:
    return float(np.sqrt(np.sum((records - reference) ** 2) / np.sum(reference**2)))


# -- against the analytic solution


@pytest.mark.parametrize(
    ("changes", "order", "error"),
    [
        pytest.param({}, 8, 2e-4, id="order 8"),
        pytest.param({}, 4, 6e-3, id="order 4"),
        pytest.param({"receivers": 67}, 8, 2e-4, id="receivers between cells"),
        pytest.param(
            {"receivers": 5, "receiver_x": (3.3, 10.0, 133.3, 420.0, 500.0)}, 8, 2e-4, id="receivers anywhere"
        ),
        pytest.param({"nx": 100, "receivers": 100, "shots": 1}, 8, 2e-4, id="a shot between cells"),
        pytest.param(
            {"spread": "streamer", "near_offset": 205.0, "receiver_interval": 12.5, "receivers": 40},
            8,
            2e-4,
            id="a streamer between cells",
        ),
        pytest.param({"depth": 0.0, "receiver_depth": 500.0}, 8, 2e-4, id="source on the absorbing edge"),
    ],
)
def test_records_of_a_homogeneous_medium_are_its_greens_function(changes, order, error):
    made = survey(**{"nz": 81, "nx": 101, "depth": 400.0, "shots": 2, "nt": 600} | changes)

    records = record(made, homogeneous(made), order=order, pml_width=20)

    exact = analytic(made, 2500.0)
    distance = np.hypot(made.receiver_x - made.shot_x[:, None], made.receiver_depth - made.shot_depth)
    far = np.broadcast_to((distance > 200)[:, None], records.shape)  # the grid cannot carry the singularity
    assert nrms(records[far], exact[far]) < error
    gain = records[far] @ exact[far] / (exact[far] @ exact[far])
    assert gain == pytest.approx(1.0, abs=0.01)


def test_correcting_the_dispersion_of_time_steps_brings_records_to_the_greens_function():
    made = survey(nz=81, nx=101, depth=400.0, shots=1, nt=600, shot_margin=100.0)
    far = np.abs(made.receiver_x[0] - made.shot_x[0]) > 200

    exact = analytic(made, 2500.0)[..., far]
    corrected = record(made, homogeneous(made), pml_width=20)[..., far]
    uncorrected = record(made, homogeneous(made), pml_width=20, correct_dispersion=False)[..., far]

    assert nrms(corrected, exact) < nrms(uncorrected, exact) / 20


def test_records_do_not_depend_on_the_size_of_the_cells():
    coarse = survey(nz=31, nx=41, spacing=20.0, depth=300.0, dt=0.002, nt=250, frequency=8.0, keep_every=1)
    speed = 3000.0

    records = record(coarse, homogeneous(coarse, speed), pml_width=20)
    fine = record(coarse.refined(2), homogeneous(coarse.refined(2), speed), pml_width=40)

    far = np.broadcast_to((np.abs(coarse.receiver_x - coarse.shot_x[:, None]) > 150)[:, None], records.shape)
    assert nrms(records[far], fine[far]) < 2e-3


@pytest.mark.parametrize(("depth", "receiver_depth"), [(100.0, 300.0), (10.0, 10.0)])
def test_a_free_surface_at_depth_zero_reflects_as_if_from_an_image_source_of_opposite_sign(
    depth, receiver_depth
):
    made = survey(nz=61, nx=101, depth=depth, receiver_depth=receiver_depth, top="free", shots=2, nt=600)

    records = record(made, homogeneous(made), pml_width=20)

    far = np.broadcast_to((np.abs(made.receiver_x - made.shot_x[:, None]) > 200)[:, None], records.shape)
    assert nrms(records[far], analytic(made, 2500.0)[far]) < 2e-4


# -- properties of the wave equation


def test_exchanging_sources_and_receivers_gives_the_same_traces():
    places = {"shots": 6, "shot_margin": 0.0, "receivers": 6}
    downward = survey(depth=20.0, receiver_depth=350.0, **places)
    upward = survey(depth=350.0, receiver_depth=20.0, **places)
    velocity = heterogeneous(downward)

    there, back = record(downward, velocity), record(upward, velocity)

    assert nrms(there, back.transpose(2, 1, 0)) < 1e-4


def test_flip_of_a_symmetric_survey_reverses_shots_and_receivers_when_the_model_is_flipped():
    made = survey(nx=50, shots=5, receivers=50)  # the middle shot is between two cells
    velocity = heterogeneous(made)

    records, mirrored = record(made, velocity), record(made, velocity.flip(-1))

    assert made.symmetric
    assert nrms(mirrored, records[::-1, :, ::-1]) < 1e-5


@pytest.mark.parametrize("changes", [{}, {"depth": 200.0}])
def test_waves_leave_through_the_edges(changes):
    """As if the grid were twice as wide and deep: less than 1e-7 of the energy (-70 dB) comes back."""
    made = survey(nz=51, nx=51, nt=500, receivers=51, shots=3, shot_margin=100.0, **changes)
    cells = 50
    wide = survey(
        nz=51 + 2 * cells,
        nx=51 + 2 * cells,
        nt=500,
        receivers=51 + 2 * cells,
        shots=3,
        shot_margin=100.0 + 10.0 * cells,
        depth=made.shot_depth + 10.0 * cells,
    )

    records = record(made, homogeneous(made))
    unbounded = record(wide, homogeneous(wide))[:, :, cells:-cells]

    assert np.sum((records - unbounded) ** 2) < 1e-7 * np.sum(unbounded**2)


def test_convergence_with_the_grid_is_of_the_order_of_the_finite_differences():
    made = survey(nz=61, nx=81, spacing=20.0, frequency=7.0, dt=0.002, nt=240, depth=600.0, shots=1)

    def recorded(factor: int) -> np.ndarray:
        fine = made.refined(factor)
        depth, x = np.meshgrid(fine.depth, fine.x, indexing="ij")
        velocity = 2600 + 500 * np.sin(x / 180) * np.cos(depth / 150)
        model = torch.from_numpy(velocity).float()[None]
        return record(fine, model, order=4, pml_width=12 * factor)

    # Receivers that no reflection of the edges reaches, and samples before the record breaks off.
    offset = np.abs(made.receiver_x[0] - made.shot_x[0])
    near = (offset > 150) & (offset < 320)
    coarse, medium, fine = (recorded(factor)[:, :-8, near] for factor in (1, 2, 4))
    first, second = np.linalg.norm(coarse - medium), np.linalg.norm(medium - fine)
    assert np.log2(first / second) == pytest.approx(4, abs=0.25)


# -- the gradient


def test_gradient_agrees_with_finite_differences():
    made = survey(nz=20, nx=24, shots=2, receivers=11, nt=150, keep_every=3)  # receivers between cells
    propagate = Propagator(made, PhysicsConfig(pml_width=6))
    velocity = heterogeneous(made).double()
    observed = propagate(heterogeneous(made, seed=1).double())

    def misfit(model: Tensor) -> Tensor:
        return (propagate(model) - observed).square().sum()

    model = velocity.clone().requires_grad_()
    misfit(model).backward()
    for seed in range(3):
        direction = torch.randn(velocity.shape, generator=torch.Generator().manual_seed(seed)).double()
        step = 1e-2 * direction
        slope = (misfit(velocity + step) - misfit(velocity - step)) / 2e-2
        assert float((model.grad * direction).sum()) == pytest.approx(float(slope), rel=1e-5)


def test_gradient_is_that_of_deepwave_without_recomputation():
    made = survey(nz=20, nx=24, shots=2, nt=150)
    propagate = Propagator(made, PhysicsConfig(pml_width=6))
    model = heterogeneous(made).requires_grad_()
    weights = torch.randn(1, *made.gather_shape, generator=torch.Generator().manual_seed(0))

    (recomputed,) = torch.autograd.grad((propagate(model) * weights).sum(), model)
    records = propagate.record(model, torch.arange(2))
    (direct,) = torch.autograd.grad((records * weights[0]).sum(), model)

    torch.testing.assert_close(recomputed, direct, rtol=1e-5, atol=1e-6 * float(direct.abs().max()))


# -- batches, chunks and memory


def test_a_batch_gives_the_records_of_its_models_bit_for_bit():
    made = survey()
    propagate = Propagator(made, PhysicsConfig())
    velocity = heterogeneous(made, batch=3)

    batch = propagate(velocity)

    assert batch.shape == (3, *made.gather_shape)
    assert torch.equal(batch, torch.cat([propagate(model[None]) for model in velocity]))
    assert not torch.equal(batch[0], batch[1])


def test_chunks_give_the_records_and_the_gradient_of_one_chunk():
    made = survey(shots=5)
    velocity = heterogeneous(made, batch=2)
    weights = torch.randn(2, *made.gather_shape, generator=torch.Generator().manual_seed(0))
    whole = Propagator(made, PhysicsConfig())
    chunked = Propagator(made, PhysicsConfig(memory=2**20))
    assert whole.shots_per_chunk(gradient=True) >= 10
    assert chunked.shots_per_chunk() in (2, 3, 4)
    assert chunked.shots_per_chunk(gradient=True) == 1

    results = []
    for propagate in (whole, chunked):
        model = velocity.clone().requires_grad_()
        (propagate(model) * weights).sum().backward()
        results.append((propagate(velocity), model.grad))

    (records, gradient), (chunked_records, chunked_gradient) = results
    assert torch.equal(chunked_records, records)
    torch.testing.assert_close(chunked_gradient, gradient, rtol=1e-5, atol=1e-6 * float(gradient.abs().max()))


def test_a_chunk_has_no_more_shots_than_a_gpu_can_take_at_once():
    propagate = Propagator(survey(), PhysicsConfig(memory=2**50))

    assert propagate.shots_per_chunk() == 65_535


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="peak memory is read from /proc")
def test_steps_whose_correction_exceeds_the_memory_are_refused_by_arithmetic(monkeypatch):
    survey = SurveyConfig(shots=1, receivers=8, nt=20_000, keep_every=100, dt=0.001)
    monkeypatch.setattr("fwi.memory.total", lambda: 10**9)

    with pytest.raises(
        SurveyError, match=r"dispersion of 20000 time steps takes 16\.00 GB, and this machine"
    ):
        Propagator(Survey(GridConfig(nz=20, nx=20), survey), PhysicsConfig())


def test_a_chunk_stays_within_its_memory_with_and_without_gradient():
    memory = 40 * 2**20
    script = f"""
        import torch
        from fwi.config import GridConfig, PhysicsConfig, SurveyConfig
        from fwi.physics import Propagator
        from fwi.survey import Survey

        def run(nz, nx, gradient):
            config = SurveyConfig(shots=6 if gradient else 30, receivers=nx, nt=60)
            propagate = Propagator(Survey(GridConfig(nz=nz, nx=nx), config), PhysicsConfig(memory={memory}))
            velocity = torch.full((2, nz, nx), 3000.0, requires_grad=gradient)
            before = reset_peak()
            records = propagate(velocity)
            if gradient:
                records.sum().backward()
            return peak() - before, propagate.shots_per_chunk(gradient)

        def reset_peak():
            with open("/proc/self/clear_refs", "w") as file:
                file.write("5")
            return peak()

        def peak():
            with open("/proc/self/status") as file:
                return next(int(line.split()[1]) * 1024 for line in file if line.startswith("VmHWM"))

        torch.set_num_threads(1)
        for gradient in (False, True):
            run(20, 60, gradient)  # loads libraries
            print(*run(151, 201, gradient))
    """

    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
        env=os.environ | {"MALLOC_MMAP_THRESHOLD_": "65536"},  # what is freed is given back
    )

    for line, shots in zip(done.stdout.splitlines(), (60, 12), strict=True):
        used, chunk = map(int, line.split())
        assert 1 < chunk < shots
        assert memory / 3 < used < memory


# -- recording


def test_thinning_that_does_not_alias_only_thins():
    every, thinned = survey(keep_every=1), survey(keep_every=5)
    velocity = heterogeneous(every)

    assert not thinned.aliases
    np.testing.assert_allclose(record(thinned, velocity), record(every, velocity)[:, ::5], atol=1e-7)


@pytest.mark.parametrize("correct_dispersion", [True, False])
def test_thinning_that_would_alias_records_the_band_limited_waves(correct_dispersion):
    every = survey(frequency=12.0, keep_every=1, nt=1000)
    thinned = survey(frequency=12.0, keep_every=40, nt=1000)
    nyquist = 12.5
    velocity = homogeneous(every)

    full = record(every, velocity, correct_dispersion=correct_dispersion)
    records = record(thinned, velocity, correct_dispersion=correct_dispersion)

    frequency = np.fft.rfftfreq(4000, 0.001)
    below = 0.5 + 0.5 * np.cos(np.pi * np.clip((frequency / nyquist - 0.6) / 0.4, 0, 1))
    band_limited = np.fft.irfft(np.fft.rfft(full, 4000, axis=1) * below[:, None], axis=1)[:, :1000]
    assert thinned.aliases
    assert nrms(records, band_limited[:, ::40]) < 0.01
    assert nrms(full[:, ::40], band_limited[:, ::40]) > 0.5  # what thinning alone would have given


def test_a_record_that_ends_before_its_waves_is_quiet_before_they_begin():
    made = survey(nt=350, shots=1)

    records = record(made, heterogeneous(made))

    peak = np.abs(records).max()
    far = np.abs(made.receiver_x[0] - made.shot_x[0]) >= 200  # nothing can be there before 45 ms
    assert np.abs(records[:, -1]).max() > 0.01 * peak
    assert np.abs(records[:, :10, far]).max() < 1e-6 * peak


# -- what is refused


def test_a_survey_that_is_unstable_is_refused_before_anything_is_simulated():
    with pytest.raises(SurveyError, match=r"survey\.dt"):
        Propagator(survey(dt=0.01), PhysicsConfig())


@pytest.mark.parametrize("speed", [1400.0, 4600.0, float("nan"), float("inf"), -2000.0])
def test_a_speed_outside_the_range_is_refused_with_its_cell(speed):
    made = survey()
    velocity = heterogeneous(made, batch=2)
    velocity[1, 7, 13] = speed

    with pytest.raises(
        VelocityRangeError, match=rf"is {speed:g} m/s in cell \(depth 7, x 13\) of model 1"
    ) as caught:
        Propagator(made, PhysicsConfig())(velocity)

    assert "1500 .. 4500 m/s" in str(caught.value)


def test_speeds_at_the_ends_of_the_range_are_accepted():
    made = survey()
    velocity = homogeneous(made, 4500.0)
    velocity[:, 20:] = 1500.0

    assert np.isfinite(record(made, velocity)).all()


@pytest.mark.parametrize("shape", [(41, 51), (1, 51, 41), (1, 1, 41, 51)])
def test_a_model_of_another_shape_is_refused_with_the_shape_wanted(shape):
    with pytest.raises(ValueError, match=r"wants \(batch, 41, 51\)"):
        Propagator(survey(), PhysicsConfig())(torch.full(shape, 2000.0))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_cuda_gives_the_records_and_the_gradient_of_the_cpu():
    made = survey()
    propagate = Propagator(made, PhysicsConfig())
    results = []
    for device in ("cpu", "cuda"):
        model = heterogeneous(made).to(device).requires_grad_()
        records = propagate(model)
        records.square().sum().backward()
        results.append((records.detach().cpu().numpy(), model.grad.cpu().numpy()))

    (records, gradient), (cuda_records, cuda_gradient) = results
    assert nrms(cuda_records, records) < 1e-4
    assert nrms(cuda_gradient, gradient) < 1e-3
