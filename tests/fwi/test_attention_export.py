"""Mechanisms outside of eager mode: compiled, exported, in ONNX; and beside other libraries' modules."""

import numpy as np
import onnxruntime
import pytest
import torch
import torch._inductor.config
from mechanisms import ALL, UNARY, OneByOne, build, inputs
from torch import Tensor, nn

FIXED_SIZE = ("pmfs",)
"""Mechanisms whose export serves one size of map: torch has no adaptive maximum pooling to a size that is not
known. Adaptive means, as of mix-attention, are exported for all sizes."""

FREE = [{2: torch.export.Dim.DYNAMIC, 3: torch.export.Dim.DYNAMIC}]


def assert_same(found: Tensor | tuple[Tensor, ...], wanted: Tensor | tuple[Tensor, ...]) -> None:
    torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("name", ALL)
def test_compiles_to_one_graph_that_serves_all_sizes(name):
    torch._dynamo.reset()
    module = OneByOne(name, build(name))
    compiled = torch.compile(module, fullgraph=True, dynamic=True, backend="eager")

    for size in ((7, 13), (16, 9)):
        assert_same(compiled(*inputs(name, size=size)), module(*inputs(name, size=size)))


@pytest.mark.slow
def test_compiled_to_machine_code_they_give_the_same_and_the_same_gradients():
    """Two of them in one network, and as scalar code: each kernel takes the C++ compiler a second."""
    torch._dynamo.reset()
    network, (x,) = nn.Sequential(build("cbam"), build("self")).double(), inputs("cbam")
    x = x.double().requires_grad_()
    wanted = network(x)

    with torch._inductor.config.patch({"cpp.vec_isa_ok": False, "compile_threads": 1}):
        out = torch.compile(network, fullgraph=True)(x)
        (gradient,) = torch.autograd.grad(out.sin().sum(), x)

    assert_same(out, wanted)
    assert_same(gradient, *torch.autograd.grad(wanted.sin().sum(), x))


@pytest.mark.slow
@pytest.mark.parametrize("name", ALL)
def test_export_serves_other_heights_and_widths(name):
    module = OneByOne(name, build(name))
    maps = inputs(name, size=(8, 12))
    shapes = (None,) * len(maps) if name in FIXED_SIZE else tuple(FREE * len(maps))

    exported = torch.export.export(module, maps, dynamic_shapes=(shapes,)).module()

    for size in ((8, 12),) if name in FIXED_SIZE else ((8, 12), (6, 22)):
        assert_same(exported(*inputs(name, size=size)), module(*inputs(name, size=size)))


@pytest.mark.slow
@pytest.mark.parametrize("squeeze", ["avg", "max", "std", "gem", "lse", "dct", "spp", "attn"])
def test_export_of_every_squeeze_serves_other_heights_and_widths(squeeze):
    module = build("se", squeeze=[squeeze])

    exported = torch.export.export(module, inputs("se", size=(8, 12)), dynamic_shapes=FREE).module()

    assert_same(exported(*inputs("se", size=(7, 23))), module(*inputs("se", size=(7, 23))))


class SideBySide(nn.Module):
    """Mechanisms that take one map, all of the same."""

    def __init__(self, names: list[str]) -> None:
        super().__init__()
        self.mechanisms = nn.ModuleList(build(name) for name in names)

    def forward(self, x: Tensor) -> list[Tensor]:
        return [mechanism(x) for mechanism in self.mechanisms]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_onnx_gives_the_same_at_other_heights_and_widths(tmp_path):
    names = [name for name in UNARY if name != "none"]
    module, path = SideBySide(names), tmp_path / "module.onnx"

    torch.onnx.export(
        module, inputs("se", size=(8, 12)), path, dynamo=True, dynamic_shapes=FREE, verbose=False
    )

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    entrance = session.get_inputs()[0].name
    for size in ((8, 12), (7, 23)):
        (x,) = inputs("se", size=size)
        for name, out, wanted in zip(names, session.run(None, {entrance: x.numpy()}), module(x), strict=True):
            assert np.allclose(out, wanted.detach(), rtol=1e-4, atol=1e-4), name


# -- other libraries, where they are installed


def parameters_in_order(ours: nn.Module, theirs: nn.Module) -> None:
    for mine, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        mine.data.copy_(other.data.reshape(mine.shape))


@pytest.mark.parametrize(
    ("name", "file", "theirs", "options"),
    [
        ("se", "squeeze_excite", "SqueezeExcite", {"rd_channels": 4}),
        ("eca", "eca", "EcaModule", {}),
        ("ca", "coord_attn", "CoordAttn", {"rd_channels": 8, "bias": True}),
    ],
)
def test_agrees_with_timm(name, file, theirs, options):
    other = getattr(pytest.importorskip(f"timm.layers.{file}"), theirs)(64, **options).eval()
    ours = build(name, 64, gate="sigmoid")
    parameters_in_order(ours, other)
    (x,) = inputs(name, 64)

    assert_same(ours(x), other(x))


def test_squeeze_excitation_agrees_with_monai():
    blocks = pytest.importorskip("monai.networks.blocks")
    other = blocks.ChannelSELayer(2, 64, r=16).eval()
    ours = build("se", 64, gate="sigmoid")
    parameters_in_order(ours, other)
    (x,) = inputs("se", 64)

    assert_same(ours(x), other(x))


def test_concurrent_excitation_agrees_with_segmentation_models_pytorch():
    modules = pytest.importorskip("segmentation_models_pytorch.base.modules")
    other = modules.SCSEModule(64, reduction=16).eval()
    ours = build("scse", 64, reduction=16)
    parameters_in_order(ours, other)
    (x,) = inputs("scse", 64)

    assert_same(ours(x), other(x))
