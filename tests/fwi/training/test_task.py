from types import SimpleNamespace

import pytest
import torch

from fwi import metrics
from fwi.config import DataConfig, ModelConfig, StudyConfig, TrainConfig
from fwi.data import Sample
from fwi.normalisation import Normalisation
from fwi.survey import Survey
from fwi.training.task import InversionTask, precision


@pytest.fixture(scope="module")
def study(tiny_study: StudyConfig) -> StudyConfig:
    small = ModelConfig(channels=(4, 8), attention=("se", "ca"))
    return tiny_study.model_copy(update={"model": small})


def task_of(study: StudyConfig, seed: int = 0, scale: float = 1.0) -> InversionTask:
    torch.manual_seed(seed)
    return InversionTask(study, Normalisation(study.data.amplitude, scale, 1.0)).eval()


def batch_of(study: StudyConfig, size: int, seed: int = 0) -> Sample:
    random = torch.Generator().manual_seed(seed)
    shape = (size, study.grid.nz, study.grid.nx)
    gathers = torch.randn(size, *Survey(study.grid, study.survey).gather_shape, generator=random)
    velocity = 2000 + 2500 * torch.rand(shape, generator=random)
    return Sample(gathers, velocity, (velocity > 4250).byte())


def test_sections_have_the_grid_of_the_study_and_speeds_within_its_range(study):
    slowest, fastest = study.grid.velocity

    velocity = task_of(study)(1e6 * batch_of(study, 3).gathers)

    assert velocity.shape == (3, study.grid.nz, study.grid.nx)
    assert slowest <= velocity.min() <= velocity.max() <= fastest


def test_weights_carry_the_normalisation_that_they_were_trained_with(study):
    trained = task_of(study, scale=0.01)
    gathers = batch_of(study, 2).gathers

    loaded = InversionTask(study).eval()
    loaded.load_state_dict(trained.state_dict())

    assert torch.equal(loaded(gathers), trained(gathers))
    assert not torch.allclose(task_of(study, scale=1.0)(gathers), trained(gathers))


def test_records_in_half_precision_are_inverted_as_their_float32_equals(study):
    task, half = task_of(study), batch_of(study, 2).gathers.half()

    assert torch.equal(task(half), task(half.float()))


def test_order_in_memory_does_not_change_the_outcome(study):
    gathers = batch_of(study, 2).gathers
    other = study.model_copy(update={"train": TrainConfig(channels_last=not study.train.channels_last)})

    torch.testing.assert_close(task_of(study)(gathers), task_of(other)(gathers), rtol=1e-5, atol=0.05)


def test_validation_scores_are_means_over_samples_whatever_the_batches(study):
    task, batches = task_of(study), [batch_of(study, 3, seed=1), batch_of(study, 1, seed=2)]
    batches[0].salt[1] = 0  # a sample without salt has no IoU
    logged = {}
    task.log_dict = logged.update

    task.on_validation_epoch_start()
    with torch.no_grad():
        for number, batch in enumerate(batches):
            task.validation_step(batch, number)
    task.on_validation_epoch_end()

    gathers, truth, salt = (torch.cat(parts) for parts in zip(*batches, strict=True))
    inverted = task(gathers).detach()
    errors = (inverted - truth).abs().mean((1, 2))
    present = metrics.salt_iou(inverted, truth, salt > 0)[[0, 2, 3]]
    torch.testing.assert_close(logged["validation/mae"], errors.mean())
    torch.testing.assert_close(logged["validation/salt_iou"], present.mean())
    torch.testing.assert_close(logged["validation/loss"], task.loss(inverted, truth))


def test_validation_scores_are_not_finite_where_one_sample_s_are_not(study):
    task, batch = task_of(study), batch_of(study, 3, seed=1)
    batch.gathers[1] = torch.nan
    logged = {}
    task.log_dict = logged.update

    task.on_validation_epoch_start()
    with torch.no_grad():
        task.eval().validation_step(batch, 0)
    task.on_validation_epoch_end()

    assert logged["validation/mae"].isnan()
    assert logged["validation/loss"].isnan()


@pytest.mark.parametrize(("optimizer", "decay"), [("adamw", 0.3), ("adam", 0)])
def test_optimiser_is_the_study_s_with_its_rate_and_decay(study, optimizer, decay):
    train = TrainConfig(optimizer=optimizer, learning_rate=0.02, weight_decay=0.3, warmup=0)
    task = task_of(study.model_copy(update={"train": train}))
    task._trainer = SimpleNamespace(estimated_stepping_batches=10)

    chosen = task.configure_optimizers()["optimizer"]

    assert type(chosen).__name__.lower() == optimizer
    assert chosen.param_groups[0]["lr"] == 0.02
    assert chosen.param_groups[0]["weight_decay"] == decay


def test_learning_rate_rises_to_its_peak_and_falls_along_a_cosine_to_nothing(study):
    train = TrainConfig(learning_rate=1.0, warmup=0.2)
    task = task_of(study.model_copy(update={"train": train}))
    task._trainer = SimpleNamespace(estimated_stepping_batches=50)

    factor = task.configure_optimizers()["lr_scheduler"]["scheduler"].lr_lambdas[0]
    rates = torch.tensor([factor(step) for step in range(51)])

    assert rates[:11].diff().min() > 0
    assert rates[:11].diff().std() < 1e-6
    torch.testing.assert_close(rates[10:], 0.5 + 0.5 * torch.cos(torch.pi * torch.arange(41) / 40))


def test_learning_rate_stays_at_its_peak_until_it_falls_along_a_cosine_over_the_last_steps(study):
    train = TrainConfig(learning_rate=1.0, schedule="constant_cosine", warmup=0.2, decay=0.4)
    task = task_of(study.model_copy(update={"train": train}))
    task._trainer = SimpleNamespace(estimated_stepping_batches=50)

    factor = task.configure_optimizers()["lr_scheduler"]["scheduler"].lr_lambdas[0]
    rates = torch.tensor([factor(step) for step in range(51)])

    assert rates[:11].diff().min() > 0
    assert (rates[10:31] == 1).all()
    torch.testing.assert_close(rates[30:], 0.5 + 0.5 * torch.cos(torch.pi * torch.arange(21) / 20))


@pytest.mark.parametrize(("decay", "other"), [(1.0, "cosine"), (0.9, "cosine"), (0.0, "constant")])
def test_learning_rate_that_falls_at_once_or_never_is_that_of_the_other_schedules(study, decay, other):
    rates = []
    for schedule in ("constant_cosine", other):
        train = TrainConfig(schedule=schedule, warmup=0.2 if other == "cosine" else 0.0, decay=decay)
        task = task_of(study.model_copy(update={"train": train}))
        task._trainer = SimpleNamespace(estimated_stepping_batches=50)
        factor = task.configure_optimizers()["lr_scheduler"]["scheduler"].lr_lambdas[0]
        rates.append([factor(step) for step in range(50)])

    assert rates[0] == rates[1]


def test_constant_rate_stays(study):
    train = TrainConfig(learning_rate=0.5, schedule="constant", warmup=0.2)
    task = task_of(study.model_copy(update={"train": train}))
    task._trainer = SimpleNamespace(estimated_stepping_batches=50)

    factor = task.configure_optimizers()["lr_scheduler"]["scheduler"].lr_lambdas[0]

    assert {factor(step) for step in range(51)} == {1.0}


def test_raw_amplitudes_reach_the_network_as_they_are(study):
    raw = study.model_copy(update={"data": DataConfig(amplitude="raw")})
    gathers = batch_of(study, 1).gathers

    task = InversionTask(raw)

    assert torch.equal(task.inverter.normalise(gathers), gathers)


@pytest.mark.skipif(torch.cuda.is_available(), reason="the GPU decides")
@pytest.mark.parametrize(("computes_in_bf16", "auto"), [(True, "bf16-mixed"), (False, "32-true")])
def test_precision_is_what_is_asked_for_and_auto_what_the_processor_computes_in(
    computes_in_bf16, auto, monkeypatch
):
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: computes_in_bf16)

    assert precision("32") == "32-true"
    assert precision("bf16") == "bf16-mixed"
    assert precision("auto") == auto
