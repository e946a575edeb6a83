import contextlib
import io
import shutil
import subprocess

import pytest

from experiments.cli import COMMANDS
from experiments.completion import completion

SHELLS = ("bash", "zsh", "fish")


@pytest.fixture(scope="module")
def scripts(tmp_path_factory):
    """What ``fwi completion`` prints for each shell, as files."""
    folder = tmp_path_factory.mktemp("completion")
    for shell in SHELLS:
        with open(folder / shell, "w") as file, contextlib.redirect_stdout(io.StringIO()) as printed:
            completion(shell)
            file.write(printed.getvalue())
    return folder


def completed(scripts, *words: str) -> list[str]:
    """What bash offers for the last of the words."""
    asks = (
        f'source {scripts / "bash"}; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1))\n'
        "$(complete -p fwi | sed 's/.*-F \\([^ ]*\\) .*/\\1/')\n"
        '[ ${#COMPREPLY[@]} = 0 ] || printf "%s\\n" "${COMPREPLY[@]}"'
    )
    shell = ["bash", "-c", asks, "bash", *words]
    return subprocess.run(shell, capture_output=True, text=True, check=True).stdout.splitlines()


@pytest.mark.parametrize("shell", SHELLS)
def test_script_is_valid_and_knows_commands_flags_and_studies(scripts, shell):
    script = (scripts / shell).read_text()

    for word in (*COMMANDS, "--train.epochs", "--dry-run", "mixed_half", "ablation/se"):
        assert repr(word) in script
    if shutil.which(shell):
        subprocess.run([shell, "-n", scripts / shell], check=True)


def test_bash_completes_commands_flags_choices_and_studies(scripts):
    assert completed(scripts, "fwi", "tr") == ["train"]
    assert completed(scripts, "fwi", "train", "--res") == ["--resume"]
    assert completed(scripts, "fwi", "train", "--resume", "--train.ep") == ["--train.epochs"]
    assert completed(scripts, "fwi", "train", "--train.schedule", "") == [
        "cosine",
        "constant_cosine",
        "constant",
    ]
    assert completed(scripts, "fwi", "train", "--config", "mix") == ["mixed_half"]
    assert completed(scripts, "fwi", "train", "--config", "ablation/se") == ["ablation/se", "ablation/self"]


def test_bash_is_offered_nothing_but_words_of_the_command_line(scripts):
    offered = completed(scripts, "fwi", "train", "--")

    assert "--model.attention" in offered
    assert all(word.startswith("--") and " " not in word for word in offered)


def test_bash_falls_back_on_files(scripts):
    asks = f"source {scripts / 'bash'}; complete -p fwi"

    assert completed(scripts, "fwi", "invert", "shots") == []
    assert "-o default" in subprocess.run(["bash", "-c", asks], capture_output=True, text=True).stdout
