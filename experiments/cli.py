"""The command ``fwi``: which commands there are, their flags, and how errors reach the user.

Commands are functions of the recipes beside this file, imported when they are called: ``fwi --help`` needs
none of them. A command with a ``study`` parameter takes ``--config FILE`` (repeatable) and a flag per leaf of
the study; its other parameters are flags or positional arguments too.
"""

import functools
import importlib
import inspect
import os
import sys
from collections.abc import Callable, Sequence
from typing import Annotated, Any

import tyro
import yaml
from pydantic import ValidationError

from fwi import config
from fwi.config import Attention, SkipAttention, StudyConfig

COMMANDS = {
    "demo": ("experiments.demo", "simulate, train, evaluate, invert, check and report in minutes"),
    "simulate": ("experiments.simulate", "salt models to shards of models and records"),
    "import": ("experiments.simulate", "velocity models of others (.npz, .npy, .mat) to shards, records simulated"),
    "verify": ("experiments.simulate", "check a data set against its manifest"),
    "train": ("experiments.train", "train a network; --resume continues"),
    "evaluate": ("experiments.evaluate", "score a run beside naive predictors; figures and report"),
    "invert": ("experiments.invert", "records in, velocity section out, with its physics check"),
    "check": ("experiments.invert", "compare a section with records by the wave equation"),
    "plot": ("experiments.plot", "velocity sections and gathers from files"),
    "benchmark": ("experiments.benchmark", "speed and memory of simulate, load and train, as ratios of one run"),
    "config": ("experiments.study", "show, validate, or describe the configuration"),
}


def main(arguments: Sequence[str] | None = None) -> None:
    """Run ``fwi``; a user's mistake ends with a message and exit code 2."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    if not arguments or arguments[0] in ("-h", "--help"):
        print(_overview())
        return
    name, *rest = arguments
    if name == "--version":
        print(f"fwi {importlib.metadata.version('salt-fwi')}")
        return
    if name not in COMMANDS:
        _fail(f"unknown command '{name}'; known: {', '.join(COMMANDS)}")
    try:
        _run(name, rest)
    except KeyboardInterrupt:
        _fail("interrupted; what was finished is kept, and the same command continues from there")
    except ValidationError as error:
        _fail("\n".join(f"  - {line}" for line in config.describe(StudyConfig, error.errors())))
    except (ValueError, OSError) as error:
        if os.environ.get("FWI_TRACEBACK"):
            raise
        _fail(str(error))


def _run(name: str, arguments: list[str]) -> None:
    module = importlib.import_module(COMMANDS[name][0])
    function: Callable[..., None] = getattr(module, {"import": "import_models"}.get(name, name))
    if "study" in inspect.signature(function).parameters:
        files, arguments = _config_files(arguments)
        function = functools.partial(function, study=config.load(files))
    with _entries:
        tyro.cli(function, args=arguments, prog=f"fwi {name}")


def _config_files(arguments: list[str]) -> tuple[list[str], list[str]]:
    """Take ``--config FILE`` and ``--config=FILE`` out of the arguments."""
    files, rest, waiting = [], [], iter(arguments)
    for argument in waiting:
        if argument == "--config":
            file = next(waiting, None)
            if file is None:
                raise config.ConfigError("--config needs a file")
            files.append(file)
        elif argument.startswith("--config="):
            files.append(argument.removeprefix("--config="))
        else:
            rest.append(argument)
    return files, rest


_entries = tyro.constructors.ConstructorRegistry()


@_entries.primitive_rule
def _attention_entries(info: Any) -> tyro.constructors.PrimitiveConstructorSpec[Any] | None:
    """Attention is a list of names, or of mappings as in YAML: ``none se '{name: ca, reduction: 16}'``."""
    if info.type not in (tuple[Attention, ...], tuple[SkipAttention, ...]):
        return None
    return tyro.constructors.PrimitiveConstructorSpec(
        nargs="*",
        metavar="NAME|{name: NAME, ...}",
        instance_from_str=lambda words: tuple(yaml.safe_load(word) for word in words),
        is_instance=lambda value: isinstance(value, tuple),
        str_from_instance=lambda entries: [entry.name for entry in entries],
    )


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
            "'fwi COMMAND --help' lists a command's flags. Studies to start from are in configs/.",
        ]
    )


def _fail(message: str) -> None:
    print(f"fwi: error: {message}", file=sys.stderr)
    raise SystemExit(2)


Study = Annotated[StudyConfig, tyro.conf.arg(name="")]
"""A command's study: its leaves are flags without a prefix."""

if __name__ == "__main__":
    main()
