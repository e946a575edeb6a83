"""``fwi export``: what it says, and what it refuses."""

from collections.abc import Callable
from pathlib import Path

import pytest

import fwi
from experiments.cli import main
from fwi.export.formats import FORMATS
from fwi.export.graph import InverterGraph


def test_a_run_is_handed_on_and_every_file_is_named(
    any_survey_run: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    graph = InverterGraph(fwi.load(any_survey_run))
    monkeypatch.setattr(InverterGraph, "traced", lambda self: None)  # which takes seconds
    of_itself = FORMATS["torch"]._replace(
        write=lambda graph, program: b"graph",
        run=lambda content, given: {name: each.numpy() for name, each in graph(*given.given).items()},
    )
    monkeypatch.setitem(FORMATS, "torch", of_itself)

    main(["export", str(any_survey_run), "--to", str(tmp_path / "any"), "--formats", "torch", "--half"])

    shown = capsys.readouterr().out
    written = {path.name for path in (tmp_path / "any").iterdir()}
    assert written == {"card.md", "README.md", "export.json", "inverter.safetensors", "inverter.pt2"}
    assert all(str(tmp_path / "any" / name) in shown for name in written - {"export.json"})
    assert "inverter.pt2: loaded again, within 0 m/s of the network" in shown
    assert fwi.load(tmp_path / "any" / "inverter.safetensors").any_survey


def test_what_cannot_be_handed_on_or_written_to_is_refused_in_a_line(
    any_survey_run: Path, tmp_path: Path, refused: Callable[..., str]
) -> None:
    (tmp_path / "thesis.tex").write_text("precious")

    assert "holds something else than an export" in refused("export", any_survey_run, "--to", tmp_path)
    assert "salt-whole" in refused("export", "salt-whole", "--to", tmp_path / "new")
    assert "onnx" in refused("export", any_survey_run, "--to", tmp_path / "new", "--formats", "tensorrt")
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]
