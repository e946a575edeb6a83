"""The flag ``--salt.preset``: a name, or a mapping as in YAML."""

import pytest
import yaml

from experiments.cli import main


def test_a_preset_is_given_by_name(capsys):
    main(["config", "show", "--salt.preset", "seg_eage"])

    assert yaml.safe_load(capsys.readouterr().out)["salt"]["preset"]["name"] == "seg_eage"


def test_a_preset_is_given_with_parameters(capsys):
    main(["config", "show", "--salt.preset", "{name: gulf, faults: [2, 5]}"])

    preset = yaml.safe_load(capsys.readouterr().out)["salt"]["preset"]
    assert (preset["name"], preset["faults"]) == ("gulf", [2, 5])


def test_a_preset_of_a_file_stands_when_the_flag_is_not_given(capsys, tmp_path):
    study = tmp_path / "study.yaml"
    study.write_text("salt: {preset: {name: yang_ma, lens_share: 0.2}}")

    main(["config", "show", "--config", str(study), "--salt.seed", "4"])

    salt = yaml.safe_load(capsys.readouterr().out)["salt"]
    assert (salt["preset"]["name"], salt["preset"]["lens_share"]) == ("yang_ma", 0.2)
    assert salt["seed"] == 4


def test_a_mistake_in_a_preset_ends_with_its_key(capsys):
    with pytest.raises(SystemExit) as exit_:
        main(["config", "show", "--salt.preset", "{name: gulf, faults: [5, 2]}"])

    assert exit_.value.code == 2
    assert "salt.preset.gulf.faults: must ascend" in capsys.readouterr().err
