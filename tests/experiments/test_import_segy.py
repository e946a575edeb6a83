"""SEG-Y from the command line: suggested survey, report, dry run, shard, and inversion of the file itself."""

import shlex
import shutil
from pathlib import Path

import numpy as np
import pytest

from data_prep.records import read
from data_prep.segy.write import write_gathers, write_section
from experiments.cli import main
from fwi import config, load_run, shards
from fwi.config import GridConfig, SurveyConfig
from fwi.manifest import DataSet
from fwi.survey import Survey

PUBLIC = Path(__file__).resolve().parents[3] / "shared/data/segy"


def fwi(*arguments: object) -> None:
    main([str(argument) for argument in arguments])


@pytest.fixture
def line(tiny_study, tiny_data, tmp_path):
    """One sample of the tiny study's records as SEG-Y."""
    from fwi.survey import Survey

    gathers = shards.read(tiny_data / "test-00000.h5").gathers[0].astype(np.float32)
    survey = Survey(tiny_study.grid, tiny_study.survey)
    write_gathers(tmp_path / "line.sgy", 500 * gathers, survey, "a test")
    return tmp_path / "line.sgy", gathers


@pytest.mark.usefixtures("pool_here")
@pytest.mark.parametrize("name", ["two_shots_2d.segy", "viking_four_shots.segy"])
def test_a_real_file_is_imported_by_the_study_suggested_for_it(name, tmp_path, monkeypatch, capsys):
    if not (PUBLIC / name).exists():
        pytest.skip("the public recordings are not beside the repository")
    monkeypatch.chdir(tmp_path)

    fwi("import", "--suggest-config", "suggested.yaml", PUBLIC / name)
    fwi("config", "--config", "suggested.yaml", "validate")
    fwi("import", "--config", "suggested.yaml", "--split", "test", "--workers", 1, PUBLIC / name)

    said = capsys.readouterr().out
    assert "suggested.yaml: a study whose survey fits; next: fwi import" in said
    assert "valid: " in said
    assert said.index("  receivers  120 per shot") < said.index("  gain: multiplied by")
    study = config.load(["suggested.yaml"])
    (entry,) = DataSet.read(study.storage.folder).split("test")
    samples = shards.read(study.storage.folder / entry.file)
    assert samples.velocity is None
    assert np.isfinite(samples.gathers).all()
    assert samples.gathers.any(axis=2).all()
    assert [change for change in entry.origin.source.changes if change.startswith("gain")]


def test_a_dry_run_says_what_would_change_and_writes_nothing(line, study_file, tmp_path, capsys):
    file, _ = line
    folder = tmp_path / "none"

    fwi("import", "--config", study_file, "--storage.folder", folder, "--dry-run", file)

    said = capsys.readouterr().out
    assert "receivers: where they were recorded, none interpolated" in said
    assert "gain: multiplied by 0.00" in said
    assert f"1 samples to store in {folder}" in said
    assert not folder.exists()


@pytest.mark.usefixtures("pool_here")
def test_our_own_records_come_back_from_segy(line, study_file, tmp_path):
    file, gathers = line
    folder = tmp_path / "back"

    fwi(
        "import", "--config", study_file, "--storage.folder", folder, "--gain", 0.002, "--shift", 0,
        "--workers", 1, file,
    )  # fmt: skip

    (entry,) = DataSet.read(folder).split("train")
    (found,) = shards.read(folder / entry.file).gathers.astype(np.float32)
    assert np.linalg.norm(found - gathers) < 0.05 * np.linalg.norm(gathers)


@pytest.mark.parametrize("folder", ["my lines", "line (1)", "it's"])
def test_the_command_that_follows_a_suggestion_can_be_pasted(line, folder, tmp_path, capsys):
    file = tmp_path / folder / "shots & more.sgy"
    file.parent.mkdir()
    line[0].rename(file)
    suggested = file.with_name("$a study.yaml")
    flags = ("--gain", -2.5e-05, "--shift", 0, "--bytes.shot", 17, "--spreading", "point")

    fwi("import", "--suggest-config", suggested, *flags, file)
    command = capsys.readouterr().out.split("a study whose survey fits; next: ")[1].splitlines()[0]
    name, *arguments = shlex.split(command)
    fwi(*arguments)

    said = capsys.readouterr().out
    assert name == "fwi"
    assert "gain: multiplied by -2.5e-05, as stated" in said
    assert "spreading: a point source's made a line source's" in said
    assert "samples to store in" in said


def test_the_command_that_follows_a_suggestion_takes_no_file_for_a_flag(line, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    line[0].rename("-x.sgy")

    fwi("import", "--suggest-config", "./-s.yaml", "--gain", 1, "--shift", 0, "./-x.sgy")

    said = capsys.readouterr().out
    assert "next: fwi import --config ./-s.yaml --gain 1.0 --shift 0.0 --dry-run ./-x.sgy" in said


def test_where_no_survey_fits_the_reason_is_said_and_nothing_is_written(line, refused, tmp_path):
    content = bytearray(line[0].read_bytes())
    samples = (len(content) - 3600) // 4
    content[3600:] = np.zeros(samples, ">f4").tobytes()
    line[0].write_bytes(content)

    said = refused("import", "--holds", "shots", "--suggest-config", tmp_path / "s.yaml", line[0])

    assert "none of the" in said
    assert not (tmp_path / "s.yaml").exists()


def test_suggestion_is_written_over_no_other_file(line, refused, tmp_path):
    file, flags = line[0], ("--gain", 1, "--shift", 0)
    records, study = file.read_bytes(), tmp_path / "s.yaml"

    assert "is there already" in refused("import", "--suggest-config", file, *flags, file)
    assert file.read_bytes() == records

    fwi("import", "--suggest-config", study, *flags, file)
    fwi("import", "--suggest-config", study, *flags, file)  # the same again is no other
    study.write_text(study.read_text() + "model: {name: unet}\n")
    assert "is there already" in refused("import", "--suggest-config", study, *flags, file)
    assert "unet" in study.read_text()


def test_what_a_suggestion_leaves_out_is_counted_as_by_the_import(tmp_path, capsys):
    grid = GridConfig(nz=12, nx=81, spacing=20)
    survey = Survey(grid, SurveyConfig(shots=40, receivers=81, nt=200, shot_margin=20))
    gathers = np.random.default_rng(0).standard_normal(survey.gather_shape).astype(np.float32)
    write_gathers(tmp_path / "line.sgy", gathers, survey, "a test")
    stated = ("--gain", 1, "--shift", 0, tmp_path / "line.sgy")

    fwi("import", "--suggest-config", tmp_path / "s.yaml", *stated)
    suggested = capsys.readouterr().out
    fwi("import", "--config", tmp_path / "s.yaml", "--dry-run", *stated)
    imported = capsys.readouterr().out

    told = "left out: 20 of 40 shots, with their 1620 traces: 1 beyond and 19 between the survey's shots"
    assert told in suggested
    assert told in imported


@pytest.mark.parametrize("name", ["shots.dat", "shots.sg2", "shots", "shots.sgy"])
def test_records_of_another_seismic_format_are_named_by_whatever_suffix(name, study_file, refused, tmp_path):
    (tmp_path / name).write_bytes(b"\x55\x3a\x01\x00".ljust(5000, b"\x01"))

    said = refused("import", "--config", study_file, tmp_path / name)

    assert "neither SEG-Y nor SU, but SEG-2" in said


def test_headers_elsewhere_are_found_by_their_bytes(line, study_file, refused):
    file, _ = line

    elsewhere = refused("import", "--config", study_file, "--bytes.receiver-x", 181, "--dry-run", file)
    nowhere = refused("import", "--config", study_file, "--bytes.receiver-x", 999, "--dry-run", file)

    assert "receivers are over" in elsewhere
    assert "receiver_x: input should be less than or equal to 237, got 999" in nowhere


def test_one_file_at_a_time(line, study_file, refused):
    file, _ = line

    assert "the shots of SEG-Y files are imported one file at a time" in refused(
        "import", "--config", study_file, file, file
    )


@pytest.mark.parametrize("name", ["shots.sgy", "shots.field"])
def test_segy_is_inverted_as_the_run_sees_it_by_whatever_suffix(line, name, trained_run, tmp_path, capsys):
    file = shutil.copyfile(line[0], tmp_path / name)
    run = load_run(trained_run)

    fwi("invert", file, "--run", trained_run, "--out", tmp_path, "--no-check")

    gathers = read(file, run.survey, run.study.physics).gathers
    np.testing.assert_allclose(np.load(tmp_path / "shots-0.npy"), run.invert(gathers)[0], rtol=1e-6)
    assert "gain: multiplied by" in capsys.readouterr().out


# -- what is taken for what


@pytest.fixture
def section(tiny_study, tiny_data, tmp_path):
    """One model of the tiny study as SEG-Y, in km/s."""
    velocity = shards.read(tiny_data / "test-00000.h5").velocity[0]
    write_section(tmp_path / "section.segy", velocity / 1000, tiny_study.grid.spacing, "a test")
    return tmp_path / "section.segy"


@pytest.mark.parametrize("name", ["line.seg", "line"])
def test_shots_are_known_by_their_content(line, study_file, tmp_path, capsys, name):
    file = line[0].rename(tmp_path / name)

    fwi("import", "--config", study_file, "--storage.folder", tmp_path / "none", "--dry-run", file)

    said = capsys.readouterr().out
    assert f"{file}: taken for shots, since receivers are away from their sources (bytes 73 and 81)" in said
    assert "1 samples to store" in said


def test_what_a_file_is_taken_for_can_be_stated(line, section, study_file, refused):
    shots_as_section = refused("import", "--config", study_file, "--holds", "velocity", line[0])
    section_as_shots = refused("import", "--config", study_file, "--holds", "shots", section)

    assert "taken for a velocity section, as stated" in shots_as_section
    assert "traces are not evenly spaced" in shots_as_section
    assert "taken for shots, as stated" in section_as_shots


def test_sections_and_shots_are_not_mixed(line, section, study_file, refused, tmp_path):
    np.save(tmp_path / "models.npy", np.ones((2, 3, 4)))

    together = refused("import", "--config", study_file, section, line[0])
    with_arrays = refused("import", "--config", study_file, section, tmp_path / "models.npy")

    assert "velocity sections and shots are imported by commands of their own" in together
    assert "section.segy: SEG-Y; import it without files of other formats" in with_arrays


def test_a_section_named_twice_is_refused(section, study_file, refused):
    assert "named twice" in refused("import", "--config", study_file, "--kilometres", section, section)


@pytest.mark.parametrize(
    ("flags", "named"),
    [
        (("--key", "a"), "--key"),
        (("--kilometres", "--spacing", 20), "--spacing, --kilometres"),
        (("--validation", 3), "--validation"),
        (("--records", "r.npy", "--records-key", "a"), "--records, --records-key"),
        (("--part", "1/2"), "--part"),
    ],
)
def test_flags_that_shots_have_no_use_for_are_refused(line, study_file, refused, flags, named):
    said = refused("import", "--config", study_file, *flags, line[0])

    assert f"{named}: without use for the shots of a SEG-Y file; leave out" in said


@pytest.mark.parametrize(
    ("flags", "named"),
    [
        (("--gain", 2), "--gain"),
        (("--every", 100, "--shift", 0), "--every, --shift"),
        (("--bytes.shot", 17), "--bytes"),
    ],
)
def test_flags_that_sections_or_arrays_have_no_use_for_are_refused(
    section, study_file, refused, tmp_path, flags, named
):
    np.save(tmp_path / "models.npy", np.ones((2, 3, 4)))

    of_section = refused("import", "--config", study_file, "--kilometres", *flags, section)
    of_arrays = refused("import", "--config", study_file, *flags, tmp_path / "models.npy")

    assert f"{named}: without use for a velocity section; leave out" in of_section
    assert named == "--gain" or f"{named}: without use for what is not SEG-Y; leave out" in of_arrays


# -- km/s


def test_in_batch_kilometres_a_second_are_refused_until_they_are_stated(
    section, study_file, refused, tmp_path
):
    assert "look like km/s; if so, add --kilometres" in refused("import", "--config", study_file, section)
    fwi(
        "import",
        "--config",
        study_file,
        "--storage.folder",
        tmp_path / "none",
        "--dry-run",
        "--kilometres",
        section,
    )


@pytest.mark.parametrize("answer", ["y", " Yes "])
def test_on_a_terminal_kilometres_a_second_are_asked_about(
    section, study_file, tmp_path, monkeypatch, capsys, answer
):
    asked = []
    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    monkeypatch.setattr("builtins.input", lambda question: asked.append(question) or answer)

    fwi("import", "--config", study_file, "--storage.folder", tmp_path / "none", "--dry-run", section)

    assert asked == [f"{section}: the speeds look like km/s: are they? [y/N] "]
    assert "1 samples to make" in capsys.readouterr().out


@pytest.mark.parametrize("answer", ["", "n", None])
def test_no_answer_or_no_leaves_kilometres_a_second_refused(
    section, study_file, refused, monkeypatch, answer
):
    def say(question):
        if answer is None:
            raise EOFError  # as Ctrl-D does
        return answer

    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    monkeypatch.setattr("builtins.input", say)

    assert "look like km/s; if so, add --kilometres" in refused("import", "--config", study_file, section)
