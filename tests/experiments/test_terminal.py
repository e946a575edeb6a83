"""Names on the terminal: shown, never obeyed."""

import io
import sys

import pytest

from experiments.progress import progress
from experiments.terminal import escaped, shown

HOSTILE = "\x1b]0;owned\x07\x1b[31mred\x9b2J\u202eysge\r.segy"
HARMLESS = r"\x1b]0;owned\x07\x1b[31mred\x9b2J\u202eysge\x0d.segy"


def test_control_characters_are_shown_and_words_are_left_as_they_are():
    assert shown(HOSTILE) == HARMLESS
    assert shown(HARMLESS) == HARMLESS
    assert shown("Größe 盐\tsalt é\n") == "Größe 盐\tsalt é\n"


def test_what_an_encoding_lacks_is_shown_rather_than_refused():
    undecodable = b"caf\xe9.segy".decode("utf-8", "surrogateescape")

    assert shown(undecodable) == r"caf\udce9.segy"
    assert shown("Größe", "ascii") == r"Gr\xf6\xdfe"


def test_a_line_of_progress_goes_over_the_last_one_and_a_name_in_it_does_not():
    assert shown("\rstep 3 of a\rb") == r"\rstep 3 of a\x0db".replace(r"\r", "\r", 1)


def test_an_error_shows_the_sequences_of_a_file_s_name(refused, study_file, tmp_path):
    said = refused("import", "--config", study_file, tmp_path / HOSTILE)

    assert HARMLESS in said
    assert not set("\x1b\x07\x9b\u202e\r") & set(said)


@pytest.mark.parametrize("how", ["--help", "--train.epochs=many"])
def test_help_and_its_errors_show_the_sequences_of_a_study(how, tmp_path, capsys, monkeypatch):
    (tmp_path / "study.yaml").write_text('storage: {folder: "\\e[31mred"}')
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(type(sys.stdout), "isatty", lambda stream: True)

    from experiments.cli import main

    with pytest.raises(SystemExit):
        main(["config", "show", "--config", str(tmp_path / "study.yaml"), how, "\x1b[31m"])

    said = capsys.readouterr()
    assert "\x1b" not in said.out + said.err


class Terminal(io.StringIO):
    """A terminal to draw on."""

    def isatty(self) -> bool:
        """It is one."""
        return True


def test_a_progress_bar_still_draws_where_names_are_shown(monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")

    with escaped():
        with progress("simulate", 10, "samples") as report:
            print("beside", HOSTILE, file=sys.stderr)
            report(10)
        print(HOSTILE, file=sys.stderr)

    drawn, _, after = terminal.getvalue().rpartition("\x1b")
    assert "simulate" in drawn
    assert "10/10" in drawn
    assert HARMLESS in "".join(drawn.split("beside ")[1].splitlines())
    assert HARMLESS in after
    assert sys.stderr is terminal
