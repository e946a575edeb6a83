"""The head that predicts the spread of a section: what it learns, and what it leaves alone."""

import math

import pytest
import torch

from fwi import networks
from fwi.config import ModelConfig, StudyConfig
from fwi.losses import SpreadLoss
from fwi.networks.blocks import SpreadHead
from fwi.networks.network import Network
from fwi.survey import Survey

NETWORKS = [
    ModelConfig(channels=(4, 8), attention=("se", "ca")),
    ModelConfig(channels=(4, 8), columns="offsets", offsets=4, coarsening=2),
    ModelConfig(name="umixformer", channels=(8, 8, 16, 16, 16), encoder="unet"),
    ModelConfig(name="fcnvmb_unet", channels=(4, 8, 8, 8)),
    ModelConfig(name="inversion_net", channels=(4, 4, 8, 8, 8)),
]
KINDS = ("laplace", "quantiles")


def built(model: ModelConfig, study: StudyConfig, kind: str = "none") -> Network:
    torch.manual_seed(0)
    return networks.build(model.model_copy(update={"uncertainty": kind}), Survey(study.grid, study.survey))


def record_of(network: Network) -> torch.Tensor:
    return torch.randn(2, *network.sizes.record, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("model", NETWORKS, ids=lambda model: f"{model.name}-{model.columns}")
@pytest.mark.parametrize("kind", KINDS)
def test_section_and_its_gradient_are_those_without_the_head(model, kind, tiny_study):
    plain, extended = built(model, tiny_study), built(model, tiny_study, kind)
    drawn_after = [(built(model, tiny_study, each), torch.rand(1))[1] for each in ("none", kind)]
    record = record_of(plain)

    torch.manual_seed(2)  # of dropped branches
    alone = plain(record)
    torch.manual_seed(2)
    section, spread = extended(record, spread=True)
    alone.square().mean().backward()
    (section.square().mean() + spread.mean()).backward()

    assert torch.equal(section, alone)
    assert torch.equal(*drawn_after)
    gradients = {name: each.grad for name, each in extended.named_parameters()}
    for name, each in plain.named_parameters():
        assert torch.equal(gradients[name], each.grad), name
    assert all(each.grad.abs().sum() > 0 for each in extended.spread.parameters())
    assert spread.shape == (2, 2, *section.shape[1:])
    assert (spread > 0).all()


def test_a_network_without_the_head_says_how_to_get_one(tiny_study):
    network = built(NETWORKS[0], tiny_study)

    with pytest.raises(ValueError, match=r"train one with model\.uncertainty"):
        network(record_of(network), spread=True)


@pytest.mark.parametrize("kind", KINDS)
def test_the_head_recovers_the_scale_of_errors_that_depend_on_the_features(kind):
    """Laplace errors of a scale of 20 m/s in one half of the section and 200 m/s in the other."""
    torch.manual_seed(0)
    head = SpreadHead(1, kind, (2000.0, 4500.0))
    loss, adam = SpreadLoss(kind, (2000.0, 4500.0)), torch.optim.Adam(head.parameters(), 0.01)
    features = torch.zeros(4, 1, 12, 24)
    features[..., 12:] = 1
    scale = 20 + 180 * features[:, 0]
    section = torch.full_like(scale, 3000)

    for _ in range(100):
        truth = section + torch.distributions.Laplace(0, scale).sample()
        adam.zero_grad()
        loss(section, head(features), truth).backward()
        adam.step()

    spread = head(features).detach()
    for columns, expected in ((slice(0, 6), 20), (slice(18, 24), 200)):
        half_width = spread[..., columns].mean((0, 2, 3)) / math.log(10)
        torch.testing.assert_close(half_width, torch.full((2,), float(expected)), rtol=0.25, atol=0)


def test_skewed_errors_have_quantiles_of_their_own_on_either_side():
    torch.manual_seed(0)
    loss = SpreadLoss("quantiles", (2000.0, 4500.0))
    section = torch.zeros(1, 100, 100)
    error = torch.distributions.Exponential(1 / 100).sample((1, 100, 100)) - 50
    logarithm = torch.full((1, 2, 1, 1), 4.0, requires_grad=True)
    adam = torch.optim.Adam([logarithm], 0.05)

    for _ in range(200):
        adam.zero_grad()
        loss(section, logarithm.exp().expand(1, 2, 100, 100), error).backward()
        adam.step()

    below, above = logarithm.exp().flatten().tolist()
    assert below == pytest.approx(-torch.quantile(error, 0.05).item(), rel=0.1)
    assert above == pytest.approx(torch.quantile(error, 0.95).item(), rel=0.1)


def test_no_gradient_passes_from_the_spread_to_the_section():
    section = torch.zeros(1, 4, 4, requires_grad=True)
    spread = torch.full((1, 2, 4, 4), 10.0, requires_grad=True)

    (SpreadLoss("laplace", (2000.0, 4500.0))(section, spread, torch.ones(1, 4, 4)) + section.sum()).backward()

    assert (section.grad == 1).all()
    assert spread.grad.any()
