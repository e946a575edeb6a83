import subprocess
import sys

import pytest

import fwi


def modules_after(code: str) -> set[str]:
    """Top-level modules that a fresh interpreter holds after running the code."""
    report = "import sys; print(*{name.partition('.')[0] for name in sys.modules}, file=sys.stderr)"
    command = [sys.executable, "-c", f"{code}\n{report}"]
    return set(subprocess.run(command, capture_output=True, text=True, check=True).stderr.split())


def test_importing_the_package_imports_nothing_that_costs_time():
    heavy = {"torch", "numpy", "lightning", "deepwave", "matplotlib", "h5py", "scipy", "wandb", "pydantic"}

    assert not heavy & modules_after("import fwi")


@pytest.mark.parametrize("name", fwi.__all__)
def test_every_name_of_the_face_is_there_and_says_what_it_is(name):
    assert getattr(fwi, name).__doc__
    assert name in dir(fwi)


def test_unknown_name_is_refused_with_the_known_ones():
    with pytest.raises(AttributeError, match=r"no attribute 'load_model'; it has .*load_run"):
        fwi.load_model  # noqa: B018
