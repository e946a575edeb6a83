import numpy as np
import pytest
import torch

import fwi
from fwi import checkpoints, run_folder
from fwi.config import ModelConfig, StudyConfig
from fwi.inverter_file import FILE
from fwi.normalisation import Normalisation
from fwi.run_conversion import convert
from fwi.run_folder import RunError
from fwi.shards import read
from fwi.training.task import InversionTask


def earlier_names(weights: dict[str, torch.Tensor], by_midpoint: bool) -> dict[str, torch.Tensor]:
    """Weights by the names that they had before there were inverters."""
    network = "network.network." if by_midpoint else "network."
    return {
        name.removeprefix("inverter.")
        .replace("network.", network, 1)
        .replace("normalise.", "transform."): each
        for name, each in weights.items()
    }


@pytest.fixture(params=["receivers", "midpoints"])
def study(request: pytest.FixtureRequest, tiny_study: StudyConfig) -> StudyConfig:
    return tiny_study.model_copy(update={"model": ModelConfig(channels=(4, 8), columns=request.param)})


@pytest.fixture
def earlier(study, tiny_data, tmp_path):
    """A run of an earlier version, and what its network makes of records."""
    folder = tmp_path / "run"
    run_folder.begin(folder, study)
    run_folder.write_mean_model(folder, read(tiny_data / "train-00000.h5").velocity.mean(axis=0))
    (folder / run_folder.BEST).parent.mkdir()
    task = InversionTask(study, Normalisation(study.data.amplitude, 1e-3, 2.0))
    weights = earlier_names(task.state_dict(), study.model.columns == "midpoints")
    content = {
        "state_dict": weights,
        "current_model_state": weights,
        "hyper_parameters": {"study": study.model_dump(mode="json")},
    }
    for which in (run_folder.BEST, run_folder.LAST):
        torch.save(content, folder / which)
    return folder, task.inverter.eval()


def test_a_run_of_an_earlier_version_is_refused_naming_the_command(earlier):
    folder, _ = earlier

    with pytest.raises(RunError, match=r"written by an earlier version.* 'fwi convert "):
        fwi.load_run(folder)


def test_a_converted_run_inverts_as_it_did_and_both_checkpoints_have_the_new_names(earlier, tiny_data, study):
    folder, inverter = earlier
    gathers = read(tiny_data / "test-00000.h5").gathers[0]

    written = convert(folder)

    assert written == [folder / name for name in (run_folder.LAST, run_folder.BEST, FILE)]
    np.testing.assert_array_equal(fwi.load_run(folder).invert(gathers), inverter.invert(gathers))
    for which in (run_folder.BEST, run_folder.LAST):
        content = checkpoints.read(folder, which, study, weights_alone=True)
        for part in ("state_dict", "current_model_state"):
            assert content[part].keys() == InversionTask(study).state_dict().keys()


def test_a_run_that_is_up_to_date_is_left_as_it_is(earlier):
    folder, _ = earlier
    convert(folder)
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}

    assert convert(folder) == []
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


def test_an_inverter_that_was_lost_is_written_again(earlier):
    folder, _ = earlier
    convert(folder)
    (folder / FILE).unlink()

    with pytest.raises(RunError, match=r"no such file.* 'fwi convert "):
        fwi.load_run(folder)
    assert convert(folder) == [folder / FILE]


EARLIER_CHECK = "check: {refine: 3, order: 4, nrms_share: 0.5, correlation: 0.8, shift: 0.01}"


def test_settings_of_an_earlier_version_are_read_and_renamed_by_the_conversion(earlier):
    folder, _ = earlier
    convert(folder)
    (folder / run_folder.CHECKSUMS).unlink()
    lines = (folder / run_folder.CONFIG).read_text().splitlines()
    renamed = [EARLIER_CHECK if line.startswith("check:") else line for line in lines]
    (folder / run_folder.CONFIG).write_text("\n".join(renamed))
    assert fwi.load_run(folder).study.check.finer == 3

    written = convert(folder)

    assert folder / run_folder.CONFIG in written
    assert "finer: 3" in (folder / run_folder.CONFIG).read_text()
    assert fwi.load_run(folder).study.check.finer == 3
    assert convert(folder) == []
