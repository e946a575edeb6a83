"""The page of the configuration: sections, presets, mechanisms, networks and packaged studies as tables."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

from generated import anchored, code, table, text
from study_keys import Key, default_of, keys

from fwi.config import NETWORK_KINDS, SLOTS, CorruptConfig, SaltConfig, Section, StudyConfig, known_studies
from fwi.config.choice import CHOICES, TAKES, Choice
from fwi.config.corruption import CorruptionConfig


def section(name: str) -> str:
    """The table of a section, and of the sections within it but for corruptions."""
    kind: Any = StudyConfig.model_fields[name].annotation
    found = [key for key in keys(kind, name) if not key.name.startswith("data.corrupt.")]
    return f"{text(kind.__doc__)}\n\n{key_table(found)}"


def key_table(found: list[Key], preset: str = "") -> str:
    """A table of keys of a study, or of parameters of a preset, whose places on the page have its name."""
    kind, owner = ("preset", f"{preset}-") if preset else ("key", "")
    return table(
        ["parameter" if preset else "key", "default", "unit", "values", "meaning"],
        [
            [
                anchored(f"{owner}{key.name}", key.name, kind),
                code(key.default),
                text(key.unit) or "-",
                key.values,
                _without_unit(key.meaning),
            ]
            for key in found
        ],
    )


def corruptions() -> str:
    """The table of the corruptions."""
    share = next(key for key in keys(CorruptConfig, "data.corrupt") if key.name == "data.corrupt.share")
    rows = []
    for name, field in CorruptConfig.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, CorruptionConfig):
            both = {key.name.rpartition(".")[2]: key for key in keys(kind, f"data.corrupt.{name}")}
            strength = both["range"]
            dotted = f"data.corrupt.{name}"
            rows.append(
                [
                    anchored(dotted, dotted, "key"),
                    code(default_of(field.default.probability)),
                    code(default_of(field.default.range)),
                    strength.values.removeprefix("two values, ").removesuffix(", ascending"),
                    text(strength.unit) or "-",
                    f"{text(field.description or '')} `range`: {_begun_low(_without_unit(strength.meaning))}",
                ]
            )
    heads = ["key", "`.probability`", "`.range`", "within", "unit", "meaning"]
    return f"{key_table([share])}\n{table(heads, rows)}"


def presets() -> str:
    """Each preset with its parameters."""
    annotation: Any = SaltConfig.model_fields["preset"].annotation
    blocks = []
    for kind in _leaves(annotation):
        name = kind.model_fields["name"].default
        own = [key for key in keys(kind, "") if key.name != "name"]
        shown = [
            key._replace(values="a list of `{preset: NAME, weight: W}`") if key.name == "parts" else key
            for key in own
        ]
        lead = text((kind.__doc__ or "").replace("\n\n", " "))
        blocks.append(
            f"(preset-{name.replace('_', '-')})=\n### `{name}`\n\n{lead}\n\n{key_table(shown, name)}"
        )
    return "\n".join(blocks)


def mechanisms() -> str:
    """Each mechanism of attention: where it fits, what it takes, its options."""
    blocks = [_overview_of_mechanisms()]
    for choice in CHOICES:
        name = choice.model_fields["name"].default
        label = f"mechanism-{name}".replace("_", "-")
        place = ""
        if choice.__name__ == "CoordinateCrossChoice":
            label, place = f"{label}-resample", " as `model.resample`"
        lines = [f"({label})=\n### `{name}`{place}\n\n{text(choice.__doc__ or '')}"]
        slots = ", ".join(f"`model.{slot}`" for slot in choice.slots) or "no slot of a study"
        lines.append(f"Fits {slots}; takes {TAKES[choice.joins]} (`{choice.joins}`).{_implemented(choice)}")
        options = [key for key in keys(choice) if key.name != "name"]
        if options:
            rows = [
                [
                    anchored(f"{label}-{key.name}", key.name, "option"),
                    code(key.default),
                    key.values,
                    _without_unit(key.meaning),
                ]
                for key in options
            ]
            lines.append(table(["option", "default", "values", "meaning"], rows))
        else:
            lines.append("It has no options.")
        blocks.append("\n\n".join(lines) + "\n")
    return "\n".join(blocks)


def networks() -> str:
    """The networks that a study can name."""
    rows = []
    for name, kind in NETWORK_KINDS.items():
        module, _, attribute = kind.module.partition(":")
        takes = ", ".join(f"`{key}`" for key in sorted(kind.takes)) or "none of them"
        rows.append(
            [
                anchored(name, name, "network"),
                f"{{py:class}}`~{module}.{attribute}`",
                takes,
            ]
        )
    return table(["network", "class", "optional keys of `model` that it takes"], rows)


def losses() -> str:
    """The terms of the loss."""
    meanings = {
        "l1": "mean absolute error",
        "mse": "mean squared error",
        "ssim": "one minus the structural similarity, {py:func}`~fwi.losses.ssim_loss`",
        "salt": "cross-entropy of salt against sediment, {py:func}`~fwi.losses.salt_loss`; needs "
        "`salt.threshold` within `grid.velocity`",
    }
    from fwi.losses import LOSSES

    return table(
        ["term", "what it is, on velocities scaled so that `grid.velocity` is -1 to 1"],
        [[code(name), meanings[name]] for name in LOSSES],
    )


def packaged() -> str:
    """The packaged studies, by the comment at the head of each file."""
    rows = []
    for name, file in known_studies().items():
        rows.append([anchored(name, name, "study"), text(_head(file))])
    return table(["study", "what it is"], rows)


def contents() -> str:
    """The sections in a table, with what each is about."""
    rows = []
    for name, field in StudyConfig.model_fields.items():
        kind: Any = field.annotation
        count = sum(1 for _ in keys(kind, name))
        rows.append(
            [
                f"[`{name}`](#configuration-{name})",
                text((kind.__doc__ or "").partition("\n\n")[0]),
                str(count),
            ]
        )
    return table(["section", "about", "keys"], rows)


PARTS: dict[str, Callable[[], str]] = {
    **{f"study.{name}": (lambda name=name: section(name)) for name in StudyConfig.model_fields},
    "study.contents": contents,
    "study.corruptions": corruptions,
    "study.presets": presets,
    "study.mechanisms": mechanisms,
    "study.networks": networks,
    "study.losses": losses,
    "study.packaged": packaged,
}


def _without_unit(meaning: str) -> str:
    """The text of a key beside a column that has its unit."""
    return text(re.sub(r"\s*\[(?!0)[^\]]+\]", "", meaning, count=1))


def _overview_of_mechanisms() -> str:
    heads = ["mechanism", *(f"`{slot}`" for slot in SLOTS), "takes", "what it is"]
    rows = []
    for name in dict.fromkeys(name for names in SLOTS.values() for name in names):
        choice = next(names[name] for names in SLOTS.values() if name in names)
        fits = ["yes" if name in names else "" for names in SLOTS.values()]
        rows.append(
            [
                f"[`{name}`](#mechanism-{name.replace('_', '-')})",
                *fits,
                TAKES[choice.joins],
                text(choice.__doc__ or ""),
            ]
        )
    return table(heads, rows)


def _implemented(choice: type[Choice]) -> str:
    if choice.attends is None or choice.attends.startswith("torch"):
        return ""
    module, _, attribute = choice.attends.partition(":")
    return f" In Python: {{py:class}}`~{module}.{attribute}`."


def _leaves(annotation: Any) -> list[type[Section]]:
    """The sections that a union is made of."""
    if isinstance(annotation, type):
        return [annotation] if issubclass(annotation, Section) else []
    return [leaf for part in get_args(annotation) for leaf in _leaves(part)]


def _head(file: Path) -> str:
    """The comment at the head of a file, but for the commands that it shows."""
    lines = []
    for line in file.read_text().splitlines():
        if not line.startswith("#"):
            break
        lines.append(line.removeprefix("#").strip())
    return re.sub(r"(?<!`)(--?[a-z][\w.-]*(?: configs/\S+)?)(?!`)", r"``\1``", " ".join(lines))


def _begun_low(sentence: str) -> str:
    return sentence[:1].lower() + sentence[1:]
