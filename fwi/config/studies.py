"""The studies that come with the package, which go by name: ``mixed_half``, ``ablation/se``."""

from pathlib import Path

_IN_PACKAGE, _IN_CHECKOUT = (Path(__file__).parents[level] / "configs" for level in (1, 2))
# The build puts configs/ into the package, and a checkout has it beside the package.
FOLDER = _IN_PACKAGE if _IN_PACKAGE.is_dir() else _IN_CHECKOUT


def known_studies() -> dict[str, Path]:
    """List the packaged studies: the file of each by its name, that of a nested one with its folder."""
    files = sorted(FOLDER.rglob("*.yaml"))
    return {file.relative_to(FOLDER).with_suffix("").as_posix(): file for file in files}


def find_study(given: Path | str) -> Path:
    """Find the file of a study that is given by its path or by its name.

    Args:
        given: a path, which goes before, or the name of a packaged study where there is no such file.

    Returns:
        The file; ``given`` where neither is known, for whoever opens it to refuse.
    """
    path = Path(given)
    if path.exists() and not path.is_dir():
        return path
    return known_studies().get(path.as_posix(), path)
