"""The page of the file formats names what the files hold."""

import json
import re
from pathlib import Path

import h5py
import numpy as np
import pytest

from fwi import shards
from fwi.config import GridConfig, StudyConfig, SurveyConfig
from fwi.evaluation import CheckedSample, Evaluation, Intervals, RefinedSplit, Score
from fwi.manifest import Content, Entry
from fwi.refined_section import RefinedSection, Step
from fwi.robustness import Case, MeasuredRow, Robustness
from fwi.survey import Survey
from fwi.training.callbacks import columns

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "reference" / "formats.md").read_text()


def part(title: str) -> str:
    """The text below a heading."""
    level, _, rest = re.search(rf"^(#+) ({re.escape(title)}.*)$", PAGE, re.MULTILINE).group().partition(" ")
    return PAGE.partition(f"{level} {rest}\n")[2].partition(f"\n{level} ")[0]


def test_each_dataset_of_a_shard_is_named_with_its_axes_type_and_unit(tmp_path):
    survey = Survey(GridConfig(nz=8, nx=9), SurveyConfig(shots=2, receivers=9, nt=20))
    shots, times, receivers = survey.gather_shape
    samples = shards.Samples(
        np.zeros((3, shots, times, receivers), np.float16),
        np.zeros((3, 8, 9), np.float32),
        np.zeros((3, 8, 9), np.uint8),
        np.arange(3),
    )
    shards.write(tmp_path / "made.h5", samples, survey, {"origin": {}, "study": {}, "versions": {}})

    rows = {
        name: [cell.strip() for cell in cells.split("|")]
        for names, cells in re.findall(r"^\| (`[^|]+`) \|(.*)\|$", part("Shard"), re.MULTILINE)
        for name in re.findall(r"`(\w+)`", names)
    }
    with h5py.File(tmp_path / "made.h5") as file:
        assert set(file) <= rows.keys()
        assert set(file.attrs) <= rows.keys()
        for name, data in file.items():
            shape, kind, unit, _ = rows[name]
            assert data.dtype.name in kind
            assert data.attrs.get("units", unit) == unit
            labels = [axis.label for axis in data.dims if axis.label]
            assert not labels or "".join(shape.split()).strip("`()").rstrip(",") == ",".join(labels)
        assert file.attrs["schema"] == json.loads(
            re.search(r"`schema` \| version of this layout, `(\d)`", PAGE)[1]
        )


@pytest.mark.parametrize(
    ("title", "names"),
    [
        ("manifest.json", [*Content.__annotations__, *Entry.__annotations__]),
        ("metrics.csv", columns(StudyConfig.model_validate({"model": {"uncertainty": "laplace"}}))),
        ("evaluation.json", [*Evaluation.model_fields, *CheckedSample.model_fields, *Score.model_fields]),
        ("evaluation.json", [*Intervals.model_fields]),
        ("robustness.json", [*Robustness.model_fields, *MeasuredRow.model_fields, *Case.model_fields]),
        ("Refinement", [*RefinedSection.model_fields, *Step.model_fields]),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_each_key_of_a_file_is_named(title, names):
    told = set(re.findall(r"`([\w/]+)`", part(title)))

    assert [name for name in names if name not in told] == []


def test_each_key_of_the_refined_part_of_an_evaluation_is_named():
    told = re.search(r"^\| `refined` \|.*$", PAGE, re.MULTILINE)[0]

    assert [name for name in RefinedSplit.model_fields if f"`{name}`" not in told] == []
