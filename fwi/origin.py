"""The origin of a shard's samples: drawn from a salt preset, or imported from files.

The manifest and the shard itself store an origin as JSON. Its kind is not stored; ``parse_origin`` infers it
from the keys. An origin that was read is written back unchanged, with keys that this version does not know
and without keys that it has added, so that the checksums of older data sets hold.
"""

from typing import Any, TypeAlias

from pydantic import BaseModel, ConfigDict, ValidationError

from fwi.config import SaltConfig

Number: TypeAlias = int | float
"""A number that is stored as it was written, because 20 and 20.0 differ in a checksum."""


class Stored(BaseModel):
    """Values that a manifest stores, frozen; keys that this version does not know are kept."""

    model_config = ConfigDict(frozen=True, extra="allow", strict=True)

    def to_dict(self) -> dict[str, Any]:
        """Return the values as they are stored; keys that were not given are left out."""
        return self.model_dump(exclude_unset=True)


class Salt(Stored):
    """The preset that random models are drawn from; that of an older version may have other parameters."""

    preset: dict[str, Any] | str
    """The preset, with its parameters."""
    seed: int
    """Seed of the models."""

    def config(self) -> SaltConfig:
        """Return the preset for this version, with parameters added since then at their defaults.

        Raises:
            ValidationError: this version does not know the preset.
        """
        return SaltConfig.model_validate(self.to_dict())

    @property
    def preset_name(self) -> str:
        """Name of the preset."""
        return self.preset if isinstance(self.preset, str) else str(self.preset["name"])


class Files(Stored):
    """The file, or files, that arrays were read from."""

    file: str
    """Name of the file, or the names of the first and the last of several."""
    key: str | None
    """Name of the array in the file; None where it has one array without a name."""
    sha256: str | list[str]
    """Checksum of the file, or of each."""

    @property
    def digests(self) -> list[str]:
        """SHA-256 of each file."""
        return [self.sha256] if isinstance(self.sha256, str) else self.sha256


class ModelFiles(Files):
    """Files of velocity models."""

    spacing: Number | None = None
    """Cell size [m]; None where the headers give it."""
    unit: str = "m/s"
    """Unit of the speeds in the file."""
    axes: str = "depth-x"
    """How a model lies in the file."""


class ScaledRecords(Stored):
    """Files of records and their scaling to the simulation; any key may be missing."""

    file: str | None = None
    """Name of the file, or the names of the first and the last of several."""
    key: str | None = None
    """Name of the array in the file."""
    sha256: str | list[str] | None = None
    """Checksum of the file, or of each."""
    gain: Number | None = None
    """Factor applied to the amplitudes."""
    nrms: Number | None = None
    """Misfit against simulated records after scaling; None where it was not measured."""
    thinning: int = 1
    """Interval of the kept time samples: 3 keeps every third."""


class ModelAndRecordFiles(ModelFiles):
    """Files of models and of their records; for records alone, both name the files of the records."""

    records: ScaledRecords
    """The files of the records."""


class ChangedFiles(Files):
    """A SEG-Y or SU file of shots."""

    changes: list[str]
    """Changes made to the records, one sentence each."""


class Drawn(Stored):
    """Random models of a salt preset, with simulated records."""

    salt: Salt
    """The preset and its seed."""
    stream: int
    """Number of the random stream; each split has a stream of its own."""

    @classmethod
    def of(cls, salt: SaltConfig, stream: int) -> "Drawn":
        """Build the origin of models drawn by this version."""
        return cls(salt=_salt(salt), stream=stream)


class ImportedModels(Stored):
    """Velocity models of files, with simulated records."""

    source: ModelFiles
    """The files of the models."""


class ImportedRecords(Stored):
    """Records of arrays in files, with their models where these are known."""

    source: ModelAndRecordFiles
    """The files of models and records."""


class FieldRecords(Stored):
    """Records of a SEG-Y or SU file, brought onto the survey; their models are not known."""

    source: ChangedFiles
    """The file of the records."""


Origin: TypeAlias = Drawn | ImportedModels | ImportedRecords | FieldRecords

Simulated: TypeAlias = Drawn | ImportedModels
"""The origins whose records are simulated."""


def parse_origin(stored: Any) -> Origin:
    """Read an origin from the plain values of a manifest or shard.

    Raises:
        ValueError: a key is missing or has the wrong type; the message names the first.
    """
    if not isinstance(stored, dict):
        raise ValueError(f"input should be an object, got {stored!r:.60}")
    try:
        return _kind(stored).model_validate(stored)
    except ValidationError as error:
        raise ValueError(first_mistake(error)) from None


def _kind(stored: dict[str, Any]) -> type[Origin]:
    if "source" not in stored:
        return Drawn
    source = stored["source"]
    keys = source if isinstance(source, dict) else {}
    if "changes" in keys:
        return FieldRecords
    return ImportedRecords if "records" in keys else ImportedModels


def preset_of(origin: Origin) -> SaltConfig | None:
    """Return the preset of drawn models; None for imports and for presets unknown to this version."""
    if not isinstance(origin, Drawn):
        return None
    try:
        return origin.salt.config()
    except ValidationError:
        return None


def in_full(origin: Origin) -> Origin:
    """Complete an origin by the preset parameters that were added since it was stored, at their defaults.

    With the defaults a preset draws the same models as before, so that a set of an older version can be
    completed and compared.
    """
    salt = preset_of(origin)
    return origin if salt is None else origin.model_copy(update={"salt": _salt(salt)})


def _salt(config: SaltConfig) -> Salt:
    return Salt.model_validate(config.model_dump(mode="json"))


def first_mistake(error: ValidationError) -> str:
    """Describe the first wrong value by its key and the mistake."""
    first = error.errors()[0]
    key = ".".join(str(part) for part in first["loc"])
    if first["type"] == "value_error":  # raised by a function of this project, which has named the value
        return f"{key}: {first['ctx']['error']}"
    message = first["msg"].partition(" or instance of ")[0]  # who writes JSON knows no Python classes
    mistake = f"{message[0].lower()}{message[1:]}"
    return f"{key}: {mistake}, got {first['input']!r:.60}" if key else mistake
