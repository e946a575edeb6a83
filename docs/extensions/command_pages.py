"""The page of the command line, read off the commands: purpose, usage, arguments, flags, examples."""

import argparse
import functools
import inspect
import os
import re
import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

import tyro
from command_examples import ACTIONS, EXAMPLES, READ, WRITES
from generated import anchored, code, table, text

from experiments.cli import COMMANDS, OF_A_RUN, function_of
from experiments.flags import entries
from experiments.plot import TAKES
from fwi.config import StudyConfig

ALL_CORES = "all cores"
"""Default of what is counted on the machine that builds the site."""


class Flag(NamedTuple):
    """A flag or positional argument of a command."""

    names: tuple[str, ...]
    """``--resume``, or nothing for a positional argument."""
    dest: str
    takes: str
    """What follows it: a type, or choices."""
    default: str
    required: bool
    meaning: str

    @property
    def shown(self) -> str:
        """As it is written: ``--no-check`` beside ``--check``."""
        return " / ".join(self.names) or self.dest.upper()


@functools.cache
def flags(name: str) -> tuple[Flag, ...]:
    """The arguments of a command, but for the leaves of its study."""
    function = function_of(name)
    taken = inspect.signature(function).parameters
    parsed = functools.partial(function, study=StudyConfig()) if "study" in taken else function
    with entries, warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        parser = tyro.extras.get_parser(parsed, prog=f"fwi {name}")
    sections = StudyConfig.model_fields if "study" in taken else {}
    found = []
    for action in parser._actions:
        first = next(iter(action.option_strings), "").lstrip("-").partition(".")
        if "--help" in action.option_strings or (first[1] and first[0] in sections):
            continue
        found.append(_flag(action, taken))
    return tuple(sorted(found, key=lambda flag: bool(flag.names)))


def _flag(action: argparse.Action, taken: Any) -> Flag:
    meaning, _, default = (action.help or "").rpartition("(")
    default = default.removesuffix(")").removeprefix("default:").strip()
    names = tuple(action.option_strings)
    parameter = taken.get(action.dest.replace("-", "_"))
    if parameter is not None and parameter.name == "workers" and parameter.default == (os.cpu_count() or 1):
        default = ALL_CORES
    required = "required" in default
    if parameter is not None and not names:
        required = parameter.default is inspect.Parameter.empty
    if action.nargs == 0:
        default = names[0] if default == "True" else "off"
    elif default in ("None", "required", "repeatable", ""):
        default = ""
    takes = re.sub(r"\{None\}\||(?<=\{)None,", "", str(action.metavar or ""))
    takes = re.sub(r"\{?\[+(\w+|\{[\w,]+\}) \[\1 \.\.\.\]\]+\}?", r"\1 ...", takes)  # [PATH [PATH ...]]
    takes = re.sub(r"^\[(\w+|\{.*\})\]$|^\{([A-Z ]+)\}$", r"\1\2", takes)  # [PATH], {FLOAT FLOAT}
    if action.option_strings and names[0].startswith("--bytes"):
        takes = "BYTE"
    return Flag(names, action.dest.rpartition(".")[2], takes, default, required, meaning.strip())


def summary() -> str:
    """All commands in a table."""
    return table(
        ["command", "does"],
        [[f"[`fwi {name}`](#command-{name})", text(purpose)] for name, (_, purpose) in COMMANDS.items()],
    )


def commands() -> str:
    """Every command."""
    return "\n".join(command(name) for name in COMMANDS)


def command(name: str) -> str:
    """A command: usage, description, arguments, flags, what it writes, examples."""
    function = function_of(name)
    has_study = "study" in inspect.signature(function).parameters
    description = (inspect.getdoc(function) or "").partition("\n\nArgs:")[0]
    lines = [f"(command-{name})=\n## `fwi {name}`\n"]
    lines += [f"```text\n{usage(name)}\n```\n", *(f"{text(part)}\n" for part in description.split("\n\n"))]
    if has_study:
        lines.append(_about_the_study(name))
    if name in ACTIONS:
        lines.append(_actions(name))
    own = flags(name)
    for title, found in (
        ("argument", [f for f in own if not f.names]),
        ("flag", [f for f in own if f.names]),
    ):
        main = [flag for flag in found if not flag.names or "." not in flag.names[0]]
        if main:
            lines.append(_flags(name, title, main))
    if headers := [flag for flag in own if flag.names and "." in flag.names[0]]:
        lines.append(
            "Where in the headers of a SEG-Y file each value is, as the number of its first byte; 0 where "
            "the file has no such value:\n"
        )
        lines.append(_flags(name, "flag", headers))
    lines.append(f"Writes {WRITES[name]}. More: {READ[name]}.\n")
    shown = "\n".join(f"# {why}\n{words}" for words, why in EXAMPLES[name])
    lines.append(f"```bash\n{shown}\n```\n")
    return "\n".join(lines)


def usage(name: str) -> str:
    """One line of usage: what must be given, then what may be."""
    own = flags(name)
    words = ["fwi", name]
    for flag in own:
        if not flag.names:
            word = flag.takes if flag.takes.startswith("{") or " " in flag.takes else flag.dest.upper()
            words.append(word if flag.required or name in ("refine", "benchmark") else f"[{word}]")
    words += [f"{flag.names[0]} {flag.takes}" for flag in own if flag.names and flag.required]
    if "study" in inspect.signature(function_of(name)).parameters:
        words.append("[--config FILE|NAME ...] [--section.key VALUE ...]")
    if any(flag.names and not flag.required for flag in own):
        words.append("[flags]")
    return " ".join(words)


def _about_the_study(name: str) -> str:
    whose = ""
    if name in OF_A_RUN:
        whose = " Where `--run` is given, the run's own study is taken, and these override it."
    if name == "train":
        whose = " With `--resume` the run's own study is taken."
    if name == "demo":
        whose = " Without `--config` it is `salt_demo` with `demo_short`, or `demo` with `--full`."
    return (
        "The study comes from `--config FILE` or `--config NAME`, repeated to merge several left to right, "
        f"and every [key of a study](configuration.md) is a flag: `--train.epochs 3`.{whose}\n"
    )


def _actions(name: str) -> str:
    """What each word does that the command takes first; of the figures also which flags."""
    rows = []
    for action, meaning in ACTIONS[name].items():
        takes = ""
        if name == "plot":
            own = ", ".join(code(each if each == "FILE" else f"--{each}") for each in TAKES[action])
            takes = f"; takes {own} and `--out`"
        rows.append([anchored(f"{name}-{action}", f"fwi {name} {action}", "action"), f"{meaning}{takes}"])
    return table(["action", "does"], rows)


def _flags(command: str, title: str, found: list[Flag]) -> str:
    rows = []
    for flag in found:
        default = (
            "**required**"
            if flag.required
            else flag.default
            if flag.default == ALL_CORES
            else code(flag.default)
        )
        takes = code(flag.takes)
        if re.fullmatch(r"\{.*\}", flag.takes):
            takes = ", ".join(code(choice) for choice in flag.takes.strip("{}").split(","))
        rows.append(
            [
                anchored(f"{command}-{flag.names[0] if flag.names else flag.dest}", flag.shown, "flag"),
                takes,
                default,
                text(flag.meaning),
            ]
        )
    return table([title, "takes", "default", "meaning"], rows)


PARTS: dict[str, Callable[[], str]] = {"commands": commands, "commands.summary": summary}
