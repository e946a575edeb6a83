"""Helpers of the tests that are no fixtures."""

from collections.abc import Callable

from fwi.config import StudyConfig
from fwi.shards import DataSet

SimulateHere = Callable[[StudyConfig], DataSet]


def with_storage(study: StudyConfig, **changes: object) -> StudyConfig:
    """The same study, stored otherwise."""
    return study.model_copy(update={"storage": study.storage.model_copy(update=changes)})
