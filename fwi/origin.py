"""Where the samples of a shard come from: drawn from a salt preset, or imported, and how.

The manifest and the shard itself note an origin as JSON. Its kind is not written there: ``parse_origin``
tells it by the keys. What is read is written again as it was, with the keys that this version does not know
and without those that came later, so that the checksums of older data sets hold.
"""

from typing import Any, TypeAlias

from pydantic import BaseModel, ConfigDict, ValidationError

from fwi.config import SaltConfig

Number: TypeAlias = int | float
"""A number that stays as it is written: 20 is not 20.0 to a checksum."""


class Stored(BaseModel):
    """Values that a manifest stores, frozen; keys that this version does not know are kept."""

    model_config = ConfigDict(frozen=True, extra="allow", strict=True)

    def to_dict(self) -> dict[str, Any]:
        """The values as they are stored: keys that were not given are left out."""
        return self.model_dump(exclude_unset=True)


class Salt(Stored):
    """The preset that random models are drawn from; that of an older version may have other parameters."""

    preset: dict[str, Any] | str
    seed: int

    def config(self) -> SaltConfig:
        """The preset as this version draws from it, parameters that came later at their defaults.

        Raises:
            ValidationError: this version does not know the preset.
        """
        return SaltConfig.model_validate(self.to_dict())

    @property
    def preset_name(self) -> str:
        """What the preset is called."""
        return self.preset if isinstance(self.preset, str) else str(self.preset["name"])


class Files(Stored):
    """The file, or files, that arrays were read from."""

    file: str
    """Its name, or the names of the first and the last of several."""
    key: str | None
    """Name of the array in the file; None where it has one array without a name."""
    sha256: str | list[str]

    @property
    def digests(self) -> list[str]:
        """SHA-256 of each file."""
        return [self.sha256] if isinstance(self.sha256, str) else self.sha256


class ModelFiles(Files):
    """Files of velocity models."""

    spacing: Number | None = None
    """Cell size [m]; None where the headers give it."""
    unit: str = "m/s"
    axes: str = "depth-x"


class ScaledRecords(Stored):
    """Files of records, as ``Files``, and how these were scaled to the simulation; any key may be missing."""

    file: str | None = None
    key: str | None = None
    sha256: str | list[str] | None = None
    gain: Number | None = None
    """Factor of their amplitudes."""
    nrms: Number | None = None
    """Misfit against simulated records after scaling; None where it was not measured."""
    thinning: int = 1
    """Of so many time samples one was kept."""


class ModelAndRecordFiles(ModelFiles):
    """Files of models with those of their records, or of records alone, which stand in both places then."""

    records: ScaledRecords


class ChangedFiles(Files):
    """A SEG-Y or SU file of shots."""

    changes: list[str]
    """What was done to its records, each in a sentence."""


class Drawn(Stored):
    """Random models of a salt preset, with simulated records."""

    salt: Salt
    stream: int
    """Number of the random stream: each split draws from its own."""

    @classmethod
    def of(cls, salt: SaltConfig, stream: int) -> "Drawn":
        """The origin of models that are drawn now."""
        return cls(salt=_salt(salt), stream=stream)


class ImportedModels(Stored):
    """Velocity models of files, with simulated records."""

    source: ModelFiles


class ImportedRecords(Stored):
    """Records of arrays in files, with their models where these are known."""

    source: ModelAndRecordFiles


class FieldRecords(Stored):
    """Records of a SEG-Y or SU file, brought onto the survey; their models are not known."""

    source: ChangedFiles


Origin: TypeAlias = Drawn | ImportedModels | ImportedRecords | FieldRecords

Simulated: TypeAlias = Drawn | ImportedModels
"""The origins whose records are simulated."""


def parse_origin(stored: Any) -> Origin:
    """Read an origin from the plain values of a manifest or shard.

    Raises:
        ValueError: naming the first key that is missing or of another type than it should be.
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
    """What models were drawn from; None for imports, and for presets that this version does not know."""
    if not isinstance(origin, Drawn):
        return None
    try:
        return origin.salt.config()
    except ValidationError:
        return None


def in_full(origin: Origin) -> Origin:
    """An origin with the parameters that presets have got since it was noted, at their defaults.

    With these a preset draws what it drew before, so that a set of an older version can be completed and
    compared.
    """
    salt = preset_of(origin)
    return origin if salt is None else origin.model_copy(update={"salt": _salt(salt)})


def _salt(config: SaltConfig) -> Salt:
    return Salt.model_validate(config.model_dump(mode="json"))


def first_mistake(error: ValidationError) -> str:
    """The key of the first value that is not what it should be, and how."""
    first = error.errors()[0]
    key = ".".join(str(part) for part in first["loc"])
    if first["type"] == "value_error":  # raised by a function of this project, which has named the value
        return f"{key}: {first['ctx']['error']}"
    message = first["msg"].partition(" or instance of ")[0]  # who writes JSON knows no Python classes
    mistake = f"{message[0].lower()}{message[1:]}"
    return f"{key}: {mistake}, got {first['input']!r:.60}" if key else mistake
