"""The record of a run in Weights & Biases: its mode, and how it is opened. It imports no trainer."""

import logging
import os
import re
import shlex
import sys
from pathlib import Path
from typing import Any, Literal, get_args

from fwi.config import StudyConfig

ANSWER = 10.0
"""Seconds that W&B's server has to answer when an online run is opened."""
Mode = Literal["offline", "online", "disabled"]


def wandb_mode(study: StudyConfig) -> Mode:
    """The W&B mode in force: WANDB_MODE before the study.

    Raises:
        ValueError: the mode is unknown, or online without a key.
    """
    wanted = os.environ.get("WANDB_MODE") or study.tracking.mode
    mode: Mode | None = next((known for known in get_args(Mode) if known == wanted), None)
    if mode is None:
        raise ValueError(f"WANDB_MODE is '{wanted}'; known: {', '.join(get_args(Mode))}")
    if mode == "online":
        import wandb

        if not (os.environ.get("WANDB_API_KEY") or wandb.api.api_key):
            raise ValueError(
                "W&B is to be online, but there is no key: set WANDB_API_KEY, or tracking.mode to offline"
            )
    return mode


def open_wandb(study: StudyConfig, folder: Path, mode: Mode) -> Any:
    """Open the folder's W&B run, the same one on every call; all its files stay in the folder.

    An online run whose server does not answer, or refuses the key, says so and goes on offline.

    Args:
        study: the study, which is stored with the run.
        folder: the run's folder.
        mode: ``offline`` or ``online``.

    Returns:
        The run of the package ``wandb``.

    Raises:
        ValueError: W&B refuses, for example the project's name.
    """
    # Its reports of errors go to a server too, for which a command would wait at its end.
    os.environ.setdefault("WANDB_ERROR_REPORTING", "false")
    for kind in ("CACHE", "CONFIG", "DATA"):
        os.environ.setdefault(f"WANDB_{kind}_DIR", str(folder.resolve() / "wandb"))
    # W&B logs from threads of its own until the process ends: on a full disk, a traceback for every line.
    logging.raiseExceptions = False
    path = folder.resolve()
    # Sweeps have runs of the same names. W&B takes up to 64 characters, and not all of them.
    identity = re.sub(r"[^\w.-]", "-", f"{path.parent.name}-{path.name}", flags=re.ASCII)[-64:]
    return _opened(
        mode,
        project=study.tracking.project,
        name=path.name,
        id=identity,
        dir=folder,
        config=study.model_dump(mode="json"),
    )


def _opened(mode: Mode, **run: Any) -> Any:
    import wandb

    online = mode == "online"
    patience = {} if "WANDB_INIT_TIMEOUT" in os.environ or not online else {"init_timeout": ANSWER}
    settings = wandb.Settings(silent=True, console="off", x_disable_stats=True, **patience)
    try:
        return wandb.init(mode=mode, resume="allow" if online else None, settings=settings, **run)
    except wandb.Error as error:
        why = " ".join(str(error).split())
        if not online:
            raise ValueError(
                f"W&B does not start ({why}); mend that, or set tracking.mode to disabled"
            ) from error
    wandb.teardown(exit_code=1)  # else the run's name counts as taken
    offline = shlex.quote(str(run["dir"] / "wandb"))
    print(
        f"W&B cannot go online ({why}): it goes on offline; send what is logged with: wandb sync "
        f"{offline}/offline-run-*",
        file=sys.stderr,
    )
    return _opened("offline", **run)
