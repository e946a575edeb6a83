import pytest
import torch

from fwi import networks
from fwi.config import GridConfig, ModelConfig, SurveyConfig
from fwi.networks import rehearsal, table
from fwi.networks.rehearsal import require_trainable
from fwi.survey import Survey

SURVEY = Survey(GridConfig(nz=16, nx=16), SurveyConfig(shots=3, receivers=16, nt=40, keep_every=1))


ONE_CELL = (
    {"channels": (4, 4, 4, 4, 4)},
    {"name": "inversion_net", "channels": (4, 4, 4, 4, 4)},
)
"""Networks whose deepest map is of one cell on this grid."""
MORE_CELLS = (
    {"channels": (4, 4, 4, 4)},
    {"channels": (4, 4, 4, 4), "bottleneck": [{"name": "pmfs", "levels": 2}]},
    {"name": "umixformer", "channels": (8, 8)},
)


@pytest.mark.parametrize("model", ONE_CELL)
def test_a_batch_of_one_sample_that_a_training_step_fails_at_is_refused_before(model):
    model = ModelConfig.model_validate(model)
    with pytest.raises(ValueError, match="Expected more than 1 value per channel"):
        networks.build(model, SURVEY)(torch.randn(1, *SURVEY.gather_shape))

    with pytest.raises(ValueError, match=r"take train.batch_size 2 or more"):
        require_trainable(model, SURVEY, batch=1)


@pytest.mark.parametrize(
    ("model", "batch"), [*((model, 2) for model in ONE_CELL), *((model, 1) for model in MORE_CELLS)]
)
def test_a_batch_that_can_be_trained_on_is_not_refused(model, batch):
    model = ModelConfig.model_validate(model)
    networks.build(model, SURVEY)(torch.randn(batch, *SURVEY.gather_shape))

    require_trainable(model, SURVEY, batch)


def test_survey_that_the_network_refuses_is_refused_in_its_words():
    small = Survey(GridConfig(nz=16, nx=16), SurveyConfig(shots=3, receivers=8, nt=40, keep_every=1))

    with pytest.raises(ValueError, match="fcnvmb_unet cuts the model out"):
        require_trainable(ModelConfig(name="fcnvmb_unet", channels=(4, 4)), small, batch=2)


def test_mirroring_is_refused_of_a_survey_whose_mirror_image_is_another_that_the_network_does_not_take():
    lopsided = Survey(SURVEY.grid, SURVEY.config.model_copy(update={"shot_x": (10.0, 40.0, 200.0)}))

    require_trainable(ModelConfig(channels=(4, 4), mirror=True), SURVEY, batch=2)
    require_trainable(ModelConfig(channels=(4, 4), mirror=True, columns="offsets"), lopsided, batch=2)
    with pytest.raises(
        ValueError, match=r"model\.mirror: .*set it to false, or take model\.columns: offsets"
    ):
        require_trainable(ModelConfig(channels=(4, 4), mirror=True), lopsided, batch=2)


@pytest.mark.parametrize(
    ("model", "batch", "said"),
    [
        ({"channels": (100_000, 100_000)}, 1, "parameters takes .* GB to train, .* fewer model.channels"),
        ({"name": "inversion_net", "channels": (100_000,) * 5}, 2, "fewer model.channels"),
        ({"channels": (4, 4), "attention": ("criss_cross", "none")}, 10**6, "a smaller train.batch_size"),
        ({"channels": (100, 100)}, 10**15, "maps that are larger than any memory"),
    ],
)
def test_a_network_larger_than_any_memory_is_refused_before_it_is_built(model, batch, said):
    with pytest.raises(ValueError, match=said):
        require_trainable(ModelConfig.model_validate(model), SURVEY, batch)


def test_a_training_step_is_refused_from_the_memory_on_that_its_parts_take(monkeypatch):
    model = ModelConfig(channels=(8, 16), attention=("se", "self"))
    parts = table.parts(model, SURVEY)
    needed = 16 * sum(part.parameters for part in parts) + 32 * sum(part.memory for part in parts) // 2
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)

    monkeypatch.setattr(rehearsal, "total", lambda: 1.02 * needed)
    require_trainable(model, SURVEY, batch=32)
    monkeypatch.setattr(rehearsal, "total", lambda: 0.98 * needed)
    with pytest.raises(ValueError, match="for a training step of 32 samples"):
        require_trainable(model, SURVEY, batch=32)


def test_midpoints_of_too_many_columns_to_sort_are_refused(monkeypatch):
    monkeypatch.setattr(rehearsal, "MOST_PLACES", 47)

    with pytest.raises(ValueError, match="midpoints of 3 shots over 16 columns are 48 places, and 47 are"):
        require_trainable(ModelConfig(columns="midpoints", channels=(4, 4)), SURVEY, batch=2)
