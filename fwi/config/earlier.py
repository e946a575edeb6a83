"""Settings of earlier versions: files of those versions are read, and whoever writes them anew is told."""

from collections.abc import Mapping
from typing import Any

RENAMED = {"check.refine": "check.finer"}
"""Settings that have another name now."""
_FITTED = "no limit is set by hand any more: remove it, and 'fwi calibrate --run RUN' fits the verdict"
GONE = {"check.nrms_share": _FITTED, "check.correlation": _FITTED, "check.shift": _FITTED}
"""Settings that there are no more, with what to do instead."""


def up_to_date(values: Mapping[str, Any]) -> dict[str, Any]:
    """Rename and leave out settings of earlier versions; sections are mappings within the values.

    Args:
        values: the plain values of a study, or of some of its sections.
    """
    return {
        section: _section(section, settings) if isinstance(settings, Mapping) else settings
        for section, settings in values.items()
    }


def advice(key: str) -> str | None:
    """Say what to write instead of a setting of earlier versions, such as ``check.refine``."""
    return f"is called {RENAMED[key]} now: write that" if key in RENAMED else GONE.get(key)


def _section(section: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    named = {f"{section}.{name}": value for name, value in settings.items()}
    kept = {RENAMED.get(key, key): value for key, value in named.items() if key not in GONE}
    return {key.removeprefix(f"{section}."): value for key, value in kept.items()}
