"""The examples on the pages of the Python API can be run."""

import re
from pathlib import Path

import numpy as np
import pytest

import fwi
from data_prep.salt import generate
from fwi.config import SaltConfig

PAGES = sorted((Path(__file__).resolve().parents[2] / "docs" / "reference" / "api").glob("*.rst"))
EXAMPLE = re.compile(r"^\.\. code-block:: python\n\n((?:(?:   .*)?\n)+)", re.MULTILINE)
EXAMPLES = [(page.stem, code) for page in PAGES for code in EXAMPLE.findall(page.read_text())]


@pytest.mark.parametrize(("page", "code"), EXAMPLES, ids=[page for page, _ in EXAMPLES])
def test_each_example_of_the_api_runs(page, code, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.yaml").write_text("train: {epochs: 3}\n")
    network = fwi.load_run("salt-demo")
    velocity, _ = generate(network.study.grid, SaltConfig(), 0, 0)
    gathers = np.random.default_rng(0).normal(size=network.survey.gather_shape).astype(np.float32)
    given = {"velocity": velocity, "gathers": gathers, "survey": network.survey}

    # The larger network of the page takes the same lines, and longer.
    lines = "\n".join(line[3:] for line in code.splitlines()).replace("salt-half", "salt-demo")
    exec(compile(lines, page, "exec"), given)


def test_there_are_examples():
    assert len(EXAMPLES) >= 5
