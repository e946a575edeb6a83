"""The studies packaged with fwi, which are used by name, such as ``mixed_half`` or ``ablation/se``."""

from pathlib import Path

_IN_PACKAGE, _IN_CHECKOUT = (Path(__file__).parents[level] / "configs" for level in (1, 2))
# The build puts configs/ into the package, and a checkout has it beside the package.
FOLDER = _IN_PACKAGE if _IN_PACKAGE.is_dir() else _IN_CHECKOUT


def known_studies() -> dict[str, Path]:
    """Map the name of every packaged study, including its subfolder, to its file."""
    files = sorted(FOLDER.rglob("*.yaml"))
    return {file.relative_to(FOLDER).with_suffix("").as_posix(): file for file in files}


def find_study(given: Path | str) -> Path:
    """Find the file of a study from its path or its name.

    Args:
        given: the path of a file, which takes precedence, or the name of a packaged study.

    Returns:
        The file; ``given`` itself where there is neither, so that opening it fails.
    """
    path = Path(given)
    if path.exists() and not path.is_dir():
        return path
    return known_studies().get(path.as_posix(), path)
