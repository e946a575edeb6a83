"""``fwi completion``: a shell completes commands, flags and names of studies."""

import contextlib
import functools
import inspect
import io
import re
from collections.abc import Callable
from typing import Annotated, Any, Literal, Union

import tyro

from experiments.cli import COMMANDS, function_of
from experiments.flags import entries, section
from fwi.config import StudyConfig, known_studies

_BASH_FILES = """
_fwi() { _tyro_fwi; [ -n "${COMPREPLY[0]}" ] || COMPREPLY=(); }
complete -o default -F _fwi fwi
"""
MENDED = {
    "bash": [(r"\Z", _BASH_FILES)],
    "zsh": [(r'(_tyro_fwi "\$@")\s*\Z', r"\1 || _files\n")],
    "fish": [
        ("complete --no-files", "complete"),
        # An argument of a program holds 128 kB, and all flags of all commands are more.
        (r'\$python_cmd -c "\$pycode"', "printf '%s' $pycode | $python_cmd -"),
    ],
}
"""What is replaced in tyro's scripts, which complete no file where a command takes one without a flag."""


def completion(shell: tyro.conf.Positional[Literal["bash", "zsh", "fish"]]) -> None:
    """Print a script by which a shell completes commands, their flags, and the names of studies.

    Write it where the shell looks for such scripts, which run python3:
    bash: ~/.local/share/bash-completion/completions/fwi; zsh: _fwi in a folder of $fpath;
    fish: ~/.config/fish/completions/fwi.fish.

    Args:
        shell: the shell.
    """
    commands = tuple(
        Annotated[Any, tyro.conf.subcommand(name, constructor=_with_default_study(function_of(name)))]
        for name in COMMANDS
    )
    script = io.StringIO()
    with entries, _entries, contextlib.redirect_stdout(script), contextlib.suppress(SystemExit):
        tyro.cli(Union[commands], prog="fwi", args=["--tyro-write-completion", shell, "-"])  # type: ignore[call-overload]  # noqa: UP007
    # A shell takes every line that the script prints for a completion, so no help may have several.
    text = re.sub(r"^.*COMPLETION_SPEC = .*$", _on_one_line, script.getvalue(), flags=re.MULTILINE)
    for pattern, replacement in MENDED[shell]:
        text = re.sub(pattern, replacement, text)
    print(text)


def _with_default_study(function: Callable[..., None]) -> Callable[..., None]:
    if "study" not in inspect.signature(function).parameters:
        return function
    return functools.partial(function, study=StudyConfig())


def _on_one_line(specification: re.Match[str]) -> str:
    """Replace the line breaks of texts by spaces; the shell's quoting may have doubled their backslashes."""
    return re.sub(r"\\+n", " ", specification[0])


_entries = tyro.constructors.ConstructorRegistry()


@_entries.struct_rule
def _study(info: Any) -> tyro.constructors.StructConstructorSpec | None:
    """A study's flags, and ``--config``, which the command line takes out before it looks at them."""
    flags = section(info)
    if flags is None or info.type is not StudyConfig:
        return None
    names = tuple(known_studies())
    kind: Any = Literal[names]
    chosen = tyro.constructors.StructFieldSpec("config", kind, names[0], "Name or file of a study")
    return tyro.constructors.StructConstructorSpec(instantiate=dict, fields=(chosen, *flags.fields))
