import re

import pytest

from experiments.cli import main

TINY = ["--grid.nz", "19", "--grid.nx", "21", "--model.channels", "4", "8", "--survey.receivers", "21"]


def test_config_show_model_lists_size_attention_and_costs_of_every_part(capsys):
    main(
        [
            "config",
            "show",
            "--model",
            *TINY,
            "--model.skip",
            "cross",
            "--model.bottleneck",
            "self",
            "{name: pmfs, levels: 2}",
        ]
    )

    lines = capsys.readouterr().out.splitlines()
    rows = {" ".join(line.split()[:2]): line for line in lines}
    assert lines[1].startswith("input: ")
    assert "multiply-adds" in lines[3]
    assert "19 x 21" in rows["encoder 0"]
    assert "cross" in rows["decoder 0"]
    assert "self, pmfs" in lines[7]
    costs = [int(line.split()[-5].replace(",", "")) for line in lines[4:-1]]
    assert int(lines[-1].split()[1].replace(",", "")) == sum(costs)


def test_config_show_without_the_flag_prints_the_study_with_the_slots_given_as_flags(capsys):
    main(
        [
            "config",
            "show",
            *TINY,
            "--model.resample",
            "{name: cross, heads: 2}",
            "--model.bottleneck",
            "criss_cross",
        ]
    )

    shown = capsys.readouterr().out
    assert "resample: {name: cross, heads: 2, pool: 4, position: sine}" in shown
    assert "- {name: criss_cross}" in shown


def test_a_mechanism_in_a_slot_that_it_does_not_fit_is_refused_before_any_work(capsys):
    with pytest.raises(SystemExit) as caught:
        main(["train", *TINY, "--model.bottleneck", "gate", "--run", "nowhere"])

    assert caught.value.code == 2
    assert "model.bottleneck.0: 'gate' takes two maps and fits model.skip" in capsys.readouterr().err


def test_config_show_model_says_that_common_offsets_take_any_survey(capsys):
    main(["config", "show", "--model", "--model.columns", "offsets", *TINY])

    said = capsys.readouterr().out.splitlines()[1]
    assert re.fullmatch(
        r"input: 16 classes of offset \(every [0-9]+ m\) x .* of any shots and receivers", said
    )
