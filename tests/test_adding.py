"""What it takes to add one of each kind: no more than CONTRIBUTING.md says."""

import os
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]

FILES = {
    "fwi/attention/toy.py": '''
        """A toy mechanism."""

        import torch
        from torch import Tensor, nn


        class Toy(nn.Module):
            """Weigh each channel by a learned number."""

            def __init__(self, channels: int, start: float) -> None:
                super().__init__()
                self.number = nn.Parameter(torch.full((1, channels, 1, 1), start))

            def forward(self, x: Tensor) -> Tensor:
                return x * self.factors(x)

            def factors(self, x: Tensor) -> Tensor:
                return self.number
        ''',
    "fwi/networks/toy.py": '''
        """A toy network."""

        from torch import Tensor, nn

        from fwi.config import ModelConfig
        from fwi.networks.blocks import VelocityHead
        from fwi.networks.network import Network
        from fwi.networks.sizes import Sizes
        from fwi.networks.unet import Stem


        class Toy(Network):
            """A stem and a head."""

            def __init__(self, model: ModelConfig, sizes: Sizes) -> None:
                super().__init__(model, sizes)
                self.stem = Stem(sizes, model.channels[0])
                self.head = VelocityHead(model.channels[0], model.output, sizes.velocity_range)

            def features(self, gathers: Tensor) -> Tensor:
                return self.stem(gathers)

            def parts(self) -> dict[str, nn.Module]:
                return {"stem": self.stem, "head": self.head}
        ''',
    "fwi/config/salt/toy.py": '''
        """Parameters of the preset ``toy``."""

        from typing import Literal

        from fwi.config.base import Positive, Section


        class ToyPreset(Section):
            """A slab of salt."""

            name: Literal["toy"] = "toy"
            """The preset."""
            salt_speed: Positive = 4500.0
            """Speed of the salt [m/s]."""

            @property
            def speeds(self) -> tuple[float, float]:
                """Slowest and fastest speed [m/s] of the models."""
                return 2000.0, self.salt_speed
        ''',
    "data_prep/salt/toy.py": '''
        """A slab of salt."""

        import numpy as np
        from numpy.random import Generator

        from data_prep.salt.blocks import Geology
        from fwi.config import GridConfig
        from fwi.config.salt.toy import ToyPreset


        def toy(grid: GridConfig, preset: ToyPreset, rng: Generator) -> Geology:
            """Draw a slab of salt at some depth."""
            salt = np.zeros((grid.nz, grid.nx), bool)
            salt[rng.integers(8, grid.nz - 4) :][:4] = True
            return Geology(np.full(salt.shape, 2000.0), salt, preset.salt_speed)
        ''',
}
"""Files of the toys' own."""

ADDED = {
    "fwi/config/attention.py": '''
        class ToyChoice(Choice):
            """A toy."""

            attends = "fwi.attention.toy:Toy"

            name: Literal["toy"] = "toy"
            """The mechanism."""
            start: Positive = 1.5
            """What the numbers begin with."""
        ''',
    "fwi/losses.py": '''
        def toy_loss(prediction: Tensor, truth: Tensor, threshold: float) -> Tensor:
            """Mean of the fourth powers of the errors."""
            return (prediction - truth).pow(4).mean()
        ''',
    "fwi/corruption/traces.py": '''
        def toy(gathers: Gathers, survey: Survey, strength: float, random: np.random.Generator) -> Gathers:
            """Set a share of the samples to zero, from the last of each trace on."""
            return gathers * (survey.time[:, None] < (1 - strength) * survey.time[-1])
        ''',
    "fwi/metrics.py": '''
        def toy_error(prediction: Tensor, truth: Tensor, salt: Tensor, spacing: float) -> Tensor:
            """Twice the mean difference [m/s]."""
            return 2 * (prediction - truth).mean(dim=(1, 2))
        ''',
}
"""What is written into a file that there is."""

LINES = {
    "fwi/config/model.py": [("NETWORK_KINDS = {", '    "toy": NetworkKind("fwi.networks.toy:Toy"),')],
    "data_prep/salt/mixed.py": [
        ("from data_prep.salt.seg_eage import", "from data_prep.salt.toy import toy"),
        ("PARTS: ", '    "toy": toy,'),
    ],
    "fwi/config/salt/mixed.py": [
        ("from fwi.config.salt.seg_eage import", "from fwi.config.salt.toy import ToyPreset"),
        ("Single = ", "Single = Single | ToyPreset"),
    ],
    "fwi/losses.py": [("LOSSES: ", '    "toy": lambda *maps: toy_loss(*maps),')],
    "fwi/metrics.py": [
        ("METRICS = ", '    "toy": Metric(lambda *maps: toy_error(*maps), "toy error", "m/s", best="min"),')
    ],
    "fwi/corruption/__init__.py": [
        ("CORRUPTIONS: ", '    "toy": Corruption(traces.toy, "Toy", "share", (0.1, 0.2, 0.5)),')
    ],
    "fwi/config/corruption.py": [
        (
            '    """Missing shots."""',
            "    toy: PortionConfig = PortionConfig(probability=0.1, range=(0.25, 0.25))",
        )
    ],
    "fwi/config/study.py": [("LossName = ", 'LossName = Literal[LossName, "toy"]')],
}
"""Lines that are added, each with the beginning of the line that it comes after."""

USE = """
    import torch

    import numpy as np

    import fwi
    from data_prep.salt import generate
    from fwi import config, losses, metrics, networks
    from fwi.attention import build
    from fwi.config import StudyConfig
    from fwi.corruption import CORRUPTIONS, corrupted
    from fwi.networks import table
    from fwi.networks.attended import attended
    from fwi.physics import Propagator
    from fwi.survey import Survey

    print(fwi.__file__)
    study = config.validate(
        StudyConfig,
        {
            "grid": {"nz": 20, "nx": 24},
            "survey": {"shots": 2, "receivers": 24, "nt": 200},
            "salt": {"preset": {"name": "mixed", "parts": [{"preset": "toy"}], "no_salt_share": 0}},
            "data": {"corrupt": {"share": 1, "toy": {"probability": 1}}},
            "model": {"channels": [4, 8], "attention": ["none", {"name": "toy"}], "skip": ["toy"]},
            "train": {"loss": {"l1": 1.0, "toy": 0.5}},
        },
        "toys",
    )
    assert StudyConfig.model_validate(study.model_dump(mode="json")) == study
    survey = Survey(study.grid, study.survey)

    salt = generate(study.grid, study.salt, 0, 0)
    assert salt.salt.sum() == 4 * 24
    alone = study.salt.model_validate({"preset": {"name": "toy", "salt_speed": 4400}})
    assert generate(study.grid, alone, 0, 0).velocity.max() == 4400
    truth = torch.from_numpy(salt.velocity)[None]
    with torch.no_grad():
        gathers = Propagator(survey, study.physics)(truth)
    gathers = gathers / gathers.std()

    nothing_else = {name: {"probability": 0} for name in CORRUPTIONS if name != "toy"}
    corrupt = study.data.corrupt.model_validate(study.data.corrupt.model_dump() | nothing_else)
    late = corrupted(gathers[0].numpy(), survey, corrupt, np.random.default_rng(0)) == 0
    assert late[:, 30:].all() and not late[:, 29].all()

    assert build("toy", 3).number.tolist() == build("toy", 3, start=1.5).number.tolist()
    loss = losses.build(study.train.loss, study.grid.velocity, study.salt.threshold)
    toy = study.model.model_validate({"name": "toy", "channels": [4, 8]})
    for model in (study.model, toy):
        torch.manual_seed(0)
        network = networks.build(model, survey)
        optimizer = torch.optim.Adam(network.parameters(), 0.01)
        misfits = []
        for _ in range(20):
            optimizer.zero_grad()
            misfits.append(loss(network(gathers), truth))
            misfits[-1].backward()
            optimizer.step()
        assert misfits[-1] < 0.8 * misfits[0], misfits
        print(*(f"{part.name} {part.attention}" for part in table.parts(model, survey)), sep="; ")
        if network.attending():
            looks = attended(network.eval(), gathers, (5, 5))
            print(*(f"{look.place} {look.mechanism}" for look in looks), sep="; ")

    section = truth.numpy() + 100
    scores = metrics.score(section, truth.numpy(), salt.salt[None], study.grid.spacing)
    print(metrics.METRICS["toy"].label(), *scores["toy"])
"""


def add(root: Path) -> None:
    """Add the toys to a copy of the source by the touches above, and no others."""
    for name, text in FILES.items():
        (root / name).write_text(textwrap.dedent(text).lstrip())
    for name, text in ADDED.items():
        with open(root / name, "a") as file:
            file.write("\n\n" + textwrap.dedent(text).lstrip())
    for name, lines in LINES.items():
        path = root / name
        written = path.read_text().splitlines()
        for beginning, line in lines:
            (place,) = (number for number, each in enumerate(written) if each.startswith(beginning))
            written.insert(place + 1, line)
        path.write_text("\n".join(written) + "\n")


def run(code: str, root: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        cwd=root,
        env=os.environ | {"PYTHONPATH": str(root)},
        capture_output=True,
        text=True,
    )


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A copy of the source, to be changed."""
    for package in ("fwi", "data_prep"):
        shutil.copytree(REPOSITORY / package, tmp_path / package)
    return tmp_path


def test_a_mechanism_network_preset_loss_metric_and_corruption_are_added_by_the_touches_that_are_told(source):
    add(source)

    done = run(USE, source)

    assert done.returncode == 0, done.stderr[-2000:]
    where, unet, looks, toy, metric = done.stdout.splitlines()
    assert Path(where).is_relative_to(source)
    assert unet == "stem (); encoder 0 (); encoder 1 ('toy',); decoder 0 ('toy',); head ()"
    assert looks == "encoder 1 toy; skip 0 toy"
    assert toy == "stem (); head ()"
    assert metric == "Toy error (m/s) 200.0"


def test_the_contributors_guide_names_every_file_that_is_touched():
    guide = (REPOSITORY / "CONTRIBUTING.md").read_text()

    own = {name.replace("toy.py", "<name>.py") for name in FILES}
    assert [name for name in sorted(own | set(ADDED) | set(LINES)) if f"`{name}`" not in guide] == []
