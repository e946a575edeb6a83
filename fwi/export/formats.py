"""The formats that other runtimes load: torch's exported program and ONNX, as bytes and as functions."""

import importlib.util
import io
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch.export import ExportedProgram

from fwi.export.graph import INPUTS, InverterGraph, Records, quiet

Outputs = dict[str, NDArray[np.float32]]


class Format(NamedTuple):
    """A format of exported graphs."""

    file: str
    """Name of the file."""
    packages: tuple[str, ...]
    """Packages that writing and reading it take, beside torch."""
    write: Callable[[InverterGraph, ExportedProgram], bytes]
    """Function of a graph and what was traced of it that returns the file's content."""
    run: Callable[[bytes, Records], Outputs]
    """Function of such content and of records that returns the outputs by name."""

    @property
    def missing(self) -> list[str]:
        """The packages that are not installed."""
        return [name for name in self.packages if importlib.util.find_spec(name) is None]


def _write_torch(graph: InverterGraph, program: ExportedProgram) -> bytes:
    # Sample inputs are the one thing that torch.export.save pickles; weights and graph are plain bytes and
    # JSON, in a zip archive.
    sample, program.example_inputs = program.example_inputs, None
    buffer = io.BytesIO()
    with quiet():
        torch.export.save(program, buffer)
    program.example_inputs = sample
    return buffer.getvalue()


def _run_torch(content: bytes, records: Records) -> Outputs:
    with quiet(), torch.inference_mode():
        found = torch.export.load(io.BytesIO(content)).module()(*records.given)
    return {name: each.numpy() for name, each in found.items()}


def _write_onnx(graph: InverterGraph, program: ExportedProgram) -> bytes:
    with quiet():
        made = torch.onnx.export(
            program,
            input_names=list(graph.axes),
            output_names=graph.outputs,
            dynamic_shapes=tuple(graph.axes.values()),
            custom_translation_table={
                torch.ops.aten.index_add.default: _added_in_order,
                torch.ops.aten.adaptive_max_pool2d.default: _largest_of_windows,
            },
            dynamo=True,
            external_data=False,
            verbose=False,
        )
    made = cast(torch.onnx.ONNXProgram, made)
    for node in made.model.graph.all_nodes():
        node.metadata_props.clear()  # of the exporting machine's files
    content: bytes = made.model_proto.SerializeToString()
    return content


def _added_in_order(x: Any, dim: int, index: Any, source: Any, alpha: float = 1) -> Any:
    """Translate ``index_add`` to ScatterElements.

    torch's own translation is ScatterND, which ONNX Runtime computes on several threads that collide where
    several traces are added to one place (https://github.com/microsoft/onnxruntime/issues/18048).
    """
    from onnxscript import opset18

    op: Any = opset18
    others = [axis for axis in range(len(x.shape)) if axis != dim]
    along = op.Unsqueeze(index, others)
    return op.ScatterElements(x, op.Expand(along, op.Shape(source)), source, axis=dim, reduction="add")


def _largest_of_windows(x: Any, output_size: Sequence[int]) -> tuple[Any, Any]:
    """Translate ``adaptive_max_pool2d``, of maps of a known size, for which torch has no translation.

    Cell i of n takes the largest from i / n of the map, rounded down, to (i + 1) / n, rounded up.
    """
    from onnxscript import opset18

    op: Any = opset18
    sizes = x.shape[2:]
    for axis, size, count in zip((2, 3), sizes, output_size, strict=True):
        windows = [(size * cell // count, -(-size * (cell + 1) // count)) for cell in range(count)]
        parts = [
            op.ReduceMax(op.Slice(x, [first], [end], [axis]), [axis], keepdims=1) for first, end in windows
        ]
        x = op.Concat(*parts, axis=axis)
    return x, op.Cast(x, to=7)  # in place of the indices as int64, which no module here uses


def _run_onnx(content: bytes, records: Records) -> Outputs:
    import onnxruntime

    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    given = {name: each.numpy() for name, each in zip(INPUTS, records.given, strict=False)}
    names = [each.name for each in session.get_outputs()]
    return dict(zip(names, session.run(names, given), strict=True))


FORMATS = {
    "torch": Format("inverter.pt2", (), _write_torch, _run_torch),
    "onnx": Format("inverter.onnx", ("onnx", "onnxscript", "onnxruntime"), _write_onnx, _run_onnx),
}
"""The formats by name."""
