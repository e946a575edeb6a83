"""The command ``fwi``: which commands there are, how they are run, and how errors reach the user.

Commands are functions of the recipes beside this file, imported when they are called: ``fwi --help`` needs
none of them. A command with a ``study`` parameter takes ``--config FILE`` (repeatable) and a flag per leaf of
the study; its other parameters are flags or positional arguments too.
"""

import errno
import functools
import importlib
import inspect
import os
import sys
from collections.abc import Callable, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import tyro

from experiments.flags import entries, taken
from experiments.terminal import escaped
from fwi import config, interrupts
from fwi.config import StudyConfig

COMMANDS = {
    "demo": (
        "experiments.demo",
        "invert, check and refine records, adapt a trained network, report: in minutes",
    ),
    "simulate": ("experiments.simulate", "salt models to shards of models and records"),
    "import": (
        "experiments.importing",
        "models and records of others (SEG-Y, .npy, .npz, .mat, .h5, raw) to shards",
    ),
    "verify": ("experiments.verify", "check a data set, write its card; --repair makes damaged shards again"),
    "train": ("experiments.train", "train a network; --resume continues"),
    "evaluate": ("experiments.evaluate", "score a run beside naive predictors; figures and report"),
    "invert": ("experiments.invert", "records in, velocity section out, with its physics check"),
    "check": ("experiments.invert", "compare a section with records by the wave equation"),
    "calibrate": ("experiments.calibrate", "measure how far a run's sections can be trusted"),
    "refine": ("experiments.refine", "mend a section by full-waveform inversion of its records"),
    "zoo": ("experiments.zoo", "trained networks that come with fwi: list them; show NAME prints a card"),
    "export": ("experiments.export", "hand a network on: safetensors with card, torch.export, ONNX"),
    "convert": ("experiments.convert", "bring the run of an earlier version up to date"),
    "plot": ("experiments.plot", "velocity sections and gathers from files; what a network attends to"),
    "benchmark": (
        "experiments.benchmark",
        "speed and memory of simulate, load, train, devices, attention; error and cost of physics, refine",
    ),
    "sweep": ("experiments.sweep", "train variants of a study, several seeds of each, and compare them"),
    "config": ("experiments.config", "show, validate, or describe the configuration"),
    "completion": (
        "experiments.completion",
        "a script by which bash, zsh or fish complete commands and flags",
    ),
}
DEMO, FULL_DEMO = ("salt_demo", "demo_short"), ("demo",)
"""Studies of ``fwi demo`` where none is given, merged left to right, without and with ``--full``."""
RESUME = ("simulate", "import", "sweep", "calibrate")
"""Commands that make only what is missing when they are repeated."""

OF_A_RUN = ("refine", "benchmark")
"""Commands with a study that take the study of their run, where they are given one."""


@escaped()
def main(arguments: Sequence[str] | None = None) -> None:
    """Run ``fwi``; a user's mistake ends with a message and exit code 2."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    if not arguments or arguments[0] in ("-h", "--help"):
        print(_overview())
        return
    name, *rest = arguments
    if name == "--version":
        print(f"fwi {metadata.version('salt-fwi')}")
        return
    if name not in COMMANDS:
        _fail(f"unknown command '{name}'; known: {', '.join(COMMANDS)}")
    with interrupts.raised() as interruption:
        try:
            _run(name, rest)
            sys.stdout.flush()
        except BaseException as error:
            _end(name, error, interruption)


def _end(name: str, error: BaseException, interruption: interrupts.Interruption) -> None:
    """End a command that did not reach its end: with a line where that says all, else with the error."""
    ours = isinstance(error, ValueError | SystemExit)
    # What goes wrong after a signal, or because workers got it first, is its consequence.
    if interruption.came(patience=0.0 if ours else 0.3) or isinstance(error, KeyboardInterrupt):
        goes_on = "the same command goes on from what is finished"
        way_on = goes_on if name in RESUME else "run the same command again"
        _fail(f"interrupted; {getattr(error, '__notes__', [way_on])[-1]}", interruption.exit_code)
    if isinstance(error, BrokenPipeError):
        # Whoever read the output, such as head, has seen enough.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return
    if isinstance(error, MemoryError) and not os.environ.get("FWI_TRACEBACK"):
        _fail(f"the memory does not suffice{f' ({error})' if str(error) else ''}: take less at once")
    if isinstance(error, ValueError | OSError) and not os.environ.get("FWI_TRACEBACK"):
        _fail(_in_words(error))
    raise error


def _run(name: str, arguments: list[str]) -> None:
    function = function_of(name)
    description = (inspect.getdoc(function) or "").partition("\n\nArgs:")[0]
    if "study" in inspect.signature(function).parameters:
        files, arguments = taken("--config", arguments)
        if name == "demo" and not files:
            known = config.known_studies()
            files = [str(known[study]) for study in (FULL_DEMO if "--full" in arguments else DEMO)]
        function = functools.partial(_with_valid_study(function), study=_base(name, files, arguments))
        description += (
            "\n\n--config FILE gives the study, or --config NAME one that comes with fwi; repeat it to merge "
            "files. Flags go before files."
        )
    with entries:
        tyro.cli(function, args=arguments, prog=f"fwi {name}", description=description)


def function_of(name: str) -> Callable[..., None]:
    """Import a command's module, and find the command in it."""
    function: Callable[..., None] = getattr(
        importlib.import_module(COMMANDS[name][0]), {"import": "import_models"}.get(name, name)
    )
    return function


def _with_valid_study(function: Callable[..., None]) -> Callable[..., None]:
    """Validate the study after its flags are merged in, so that all mistakes are reported at once."""

    @functools.wraps(function)
    def checked(*, study: dict[str, Any], **others: Any) -> None:
        function(study=config.validate(StudyConfig, study, source="the flags"), **others)

    return checked


def _base(name: str, files: list[str], arguments: list[str]) -> StudyConfig:
    """Load the study that the flags override: files over the defaults, or over that of the run in use."""
    runs = taken("--run", arguments)[0] if name in OF_A_RUN or "--resume" in arguments else []
    if not runs:
        return config.load(files)
    # With torch, which what resumes or uses a run needs anyway.
    if name in OF_A_RUN:
        from fwi.run import study_of

        return config.load(files, over=study_of(runs[-1]))
    from fwi.run_folder import read_study

    return config.load(files, over=read_study(Path(runs[-1])))


def _overview() -> str:
    lines = [f"  {name:<11}{purpose}" for name, (_, purpose) in COMMANDS.items()]
    return "\n".join(
        [
            "fwi - deep-learning full-waveform inversion for 2-D salt",
            "",
            "usage: fwi COMMAND [--config FILE ...] [--section.key VALUE ...]",
            "",
            *lines,
            "",
            "'fwi COMMAND --help' lists a command's flags. Studies to start from are in configs/,",
            "and come with fwi by name: --config mixed_half.",
        ]
    )


_REMEDIES = {
    errno.ENOSPC: "make room and run the same command again",
    errno.EDQUOT: "make room and run the same command again",
    errno.EROFS: "choose another place",
    errno.EACCES: "choose another place, or ask for the right to it",
    errno.EPERM: "choose another place, or ask for the right to it",
    errno.EEXIST: "a folder is wanted here; choose another place",
    errno.ENOTDIR: "a folder is wanted here; choose another place",
}
"""Remedies for errors of the operating system that no other message explains."""


def _in_words(error: ValueError | OSError) -> str:
    if not isinstance(error, OSError) or error.errno is None:
        return str(error)  # our own: it says all
    parts = (error.filename, error.strerror, _REMEDIES.get(error.errno))
    return ": ".join(str(part) for part in parts if part)


def _fail(message: str, code: int = 2) -> None:
    print(f"fwi: error: {message}", file=sys.stderr)
    raise SystemExit(code) from None
