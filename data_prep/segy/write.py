"""Writing of SEG-Y: gathers and depth sections with their geometry, units and provenance.

Whole numbers of 16 bits are at most 32767, because the standard and its readers take them as signed.
"""

import math
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from data_prep.segy.headers import SegyError
from data_prep.segy.revision1 import NewFile
from fwi.survey import Survey

LARGEST_16, LARGEST_32 = 2**15 - 1, 2**31 - 1

DECIMALS = (1, 10, 100, 1000, 10000)
"""Factors of the standard by which coordinates and elevations are multiplied to become whole numbers."""

CENTIMETRE = 100
"""The least of ``DECIMALS`` that is precise enough for positions that no factor makes whole."""

SAME_PLACE = 1e-6
"""Distance [m] that is rounding alone."""

LARGEST_DRIFT = 0.01
"""How far the last sample may be from its time, in samples, where dt is not of whole microseconds."""

METRES_BELOW = 100
"""A depth section's sample interval is in millimetres, below this number in metres (revision 2's unit)."""


def write_gathers(path: Path, gathers: NDArray[np.floating[Any]], survey: Survey, provenance: str) -> None:
    """Write one model's records, shot after shot, with the survey's geometry in the trace headers.

    Args:
        path: the file.
        gathers: pressure, shape ``(shot, time, receiver)``; float32 and float16 are kept to the bit.
        survey: positions and time axis.
        provenance: where the records come from, for the textual header.

    Raises:
        SegyError: the gathers are of another shape or not finite, or SEG-Y cannot hold the survey.
        OSError: the file cannot be written.
    """
    _refuse(_misfits(survey))
    if gathers.shape != survey.gather_shape:
        raise SegyError(
            f"{path}: gathers of shape {gathers.shape}, but the survey's (shot, time, receiver) are "
            f"{survey.gather_shape}"
        )
    shots, nt, receivers = gathers.shape
    file = NewFile(
        traces=shots * receivers,
        samples=nt,
        interval=round(survey.recorded_dt * 1e6),
        text=_gathers_text(survey, provenance),
        binary={"traces_per_ensemble": receivers, "sorting": 1},  # as recorded
    )
    shot, receiver = (number.ravel() for number in np.indices((shots, receivers)) + 1)
    source_x, group_x = np.repeat(survey.shot_x, receivers), survey.receiver_x.ravel()
    midpoint = (source_x + group_x) / 2
    scalar = _scalar("positions", source_x, group_x, midpoint)
    depths = np.array([survey.shot_depth, survey.receiver_depth])
    elevation_scalar = _scalar("depths", depths)
    source_depth, receiver_depth = _scaled(depths, elevation_scalar)
    file.fill(
        field_record=shot,
        trace_in_record=receiver,
        shot_point=shot,
        cdp=1 + np.rint(midpoint / _bin(survey)),
        offset=np.rint(group_x - source_x),
        receiver_elevation=-receiver_depth,
        source_depth=source_depth,
        elevation_scalar=elevation_scalar,
        coordinate_scalar=scalar,
        source_x=_scaled(source_x, scalar),
        group_x=_scaled(group_x, scalar),
        cdp_x=_scaled(midpoint, scalar),
    )
    file.samples[...] = gathers.transpose(0, 2, 1).reshape(-1, nt)
    file.save(path)


def write_section(
    path: Path,
    velocity: NDArray[np.floating[Any]],
    spacing: float,
    provenance: str,
    start: float = 0.0,
    ratio: str = "",
) -> None:
    """Write a velocity model as a depth section: one trace per column of cells.

    The sample interval is dz in millimetres, as SEG-Y readers take it for depth; where that exceeds its
    field (32.767 m), in whole metres. The textual header says which. Rows that are further apart than this,
    but not by whole metres, are interpolated to the next smaller whole number of metres.

    Args:
        path: the file.
        velocity: P-wave speed [m/s], shape ``(depth, x)``; or a ratio.
        spacing: cell size [m].
        provenance: where the section comes from, for the textual header.
        start: position of its first column on the line [m].
        ratio: what the values are, if they are a ratio instead of speeds, for the textual header.

    Raises:
        SegyError: the section is not finite, has too many rows, or the cells fit neither unit.
        OSError: the file cannot be written.
    """
    velocity, dz = _in_rows_that_fit(velocity, spacing)
    nz, nx = velocity.shape
    _refuse(_too_many("rows of cells", nz))
    interval, unit = _depth_interval(dz)
    file = NewFile(
        traces=nx,
        samples=nz,
        interval=interval,
        text=_section_text(nz, nx, dz, spacing, f"{interval} {unit}", provenance, start, ratio),
        binary={"traces_per_ensemble": 1, "sorting": 4},  # stacked: one trace per place
    )
    number, x = np.arange(nx) + 1, start + np.arange(nx, dtype=np.float64) * spacing
    scalar = _scalar("positions", x)
    file.fill(
        field_record=1,
        trace_in_record=number,
        cdp=number,
        trace_in_ensemble=1,
        elevation_scalar=1,
        coordinate_scalar=scalar,
        source_x=_scaled(x, scalar),
        group_x=_scaled(x, scalar),
        cdp_x=_scaled(x, scalar),
        inline=1,
        crossline=number,
        sample_unit=0 if ratio else 6,  # unknown, or metres per second
    )
    file.samples[...] = velocity.T
    file.save(path)


def require_fits(survey: Survey) -> None:
    """Refuse a survey whose records or models SEG-Y's 16-bit fields cannot describe.

    Raises:
        SegyError: the message names each number that does not fit, and the limit.
    """
    _refuse([*_misfits(survey), *_too_many("rows of cells", survey.grid.nz)])
    _depth_interval(survey.grid.spacing)


# -- the textual header


def _gathers_text(survey: Survey, provenance: str) -> list[str]:
    shots, nt, receivers = survey.gather_shape
    offsets = survey.receiver_x - survey.shot_x[:, None]
    wavelet = survey.config.wavelet
    return [
        "SHOT GATHERS OF A 2-D LINE: SHOT AFTER SHOT, RECEIVER AFTER RECEIVER",
        "SAMPLES: PRESSURE IN A RELATIVE UNIT, 4-BYTE IEEE FLOAT, BIG-ENDIAN",
        f"SHOTS: {shots}, X {_span(survey.shot_x)} M, DEPTH {survey.shot_depth:g} M",
        f"RECEIVERS: {receivers} PER SHOT, {survey.config.spread} SPREAD",
        f"  X {_span(survey.receiver_x)} M, OFFSET {_span(offsets)} M, DEPTH {survey.receiver_depth:g} M",
        f"TIME: {nt} SAMPLES AT {round(survey.recorded_dt * 1e6)} MICROSECONDS, "
        f"FROM 0 TO {survey.time[-1]:g} S",
        f"WAVELET: {wavelet.kind} OF {wavelet.frequency:g} HZ, ITS PEAK AT {wavelet.peaks_at:g} S",
        f"MODEL: {survey.bottom:g} M DEEP, {survey.length:g} M LONG",
        "",
        "UNITS: METRES, SECONDS, HERTZ. X IS ALONG THE LINE FROM THE MODEL'S FIRST",
        "  COLUMN, Y IS 0. ELEVATION 0 IS THE MODEL'S TOP, BELOW IT IS NEGATIVE;",
        "  DEPTHS ARE POSITIVE. OFFSET: RECEIVER X LESS SHOT X, IN WHOLE METRES",
        "BYTES: FIELD RECORD 9, TRACE IN RECORD 13, SHOT POINT 17, CDP 21,",
        "  OFFSET 37, RECEIVER ELEVATION 41, SOURCE DEPTH 49, THEIR SCALAR 69,",
        "  SOURCE X 73, RECEIVER X 81, CDP X 181, THEIR SCALAR 71",
        f"  CDP 1 IS AT X 0, THE BINS ARE {_bin(survey):g} M",
        "",
        "PROVENANCE",
        *provenance.splitlines(),
    ]


def _section_text(
    nz: int, nx: int, dz: float, spacing: float, interval: str, provenance: str, start: float, ratio: str
) -> list[str]:
    origin = "THE FIRST COLUMN" if start == 0 else "THE ORIGIN OF THE RECORDS' FILE"
    kind, values = "VELOCITY SECTION", "P-WAVE SPEED IN METRES PER SECOND (M/S)"
    if ratio:
        kind, values = "SECTION", ratio.upper()
    return [
        f"{kind} OF A 2-D LINE IN DEPTH: ONE TRACE PER COLUMN OF CELLS",
        f"SAMPLES: {values}, 4-BYTE IEEE FLOAT",
        f"DEPTH: {nz} SAMPLES AT {dz:.9g} M, FROM 0 TO {(nz - 1) * dz:.9g} M BELOW THE SURFACE",
        *([f"  INTERPOLATED FROM ROWS AT {spacing:.9g} M"] if dz != spacing else []),
        f"X: {nx} TRACES AT {spacing:.9g} M, FROM {start:.9g} TO {start + (nx - 1) * spacing:.9g} M",
        "",
        f"SAMPLE INTERVAL (BYTES 3217 AND 117) IS DEPTH: {interval}",
        f"UNITS: METRES. X IS ALONG THE LINE FROM {origin}, Y IS 0",
        "BYTES: CDP 21, CDP X 181 (AND 73, 81), ITS SCALAR 71, INLINE 189,",
        f"  CROSSLINE 193, SAMPLE UNIT 203 ({'0: NONE' if ratio else '6: METRES PER SECOND'})",
        "",
        "PROVENANCE",
        *provenance.splitlines(),
    ]


def _span(values: NDArray[np.float64]) -> str:
    return f"{values.min():.9g} TO {values.max():.9g}"


# -- the numbers


def _bin(survey: Survey) -> float:
    """Distance of neighbouring CDP numbers [m]: midpoints of cells are half a cell apart."""
    return survey.grid.spacing / 2


def _in_rows_that_fit(
    velocity: NDArray[np.floating[Any]], spacing: float
) -> tuple[NDArray[np.floating[Any]], float]:
    """Interpolate a section in depth where its rows fit no sample interval; also gives their distance [m]."""
    try:
        _depth_interval(spacing)
    except SegyError:
        dz = float(math.floor(spacing))
        if not LARGEST_16 / 1000 < dz < METRES_BELOW:
            raise
        depth = np.arange(len(velocity)) * spacing
        wanted = np.arange(0.0, depth[-1] + dz, dz)
        columns = [np.interp(wanted, depth, column) for column in velocity.T]
        return np.stack(columns, axis=1).astype(velocity.dtype), dz
    return velocity, spacing


def _depth_interval(spacing: float) -> tuple[int, str]:
    """A section's sample interval: a whole number and its unit."""
    millimetres, metres = round(spacing * 1000), round(spacing)
    if METRES_BELOW <= millimetres <= LARGEST_16:
        return millimetres, "MILLIMETRES"
    if millimetres > LARGEST_16 and metres < METRES_BELOW and abs(spacing - metres) < SAME_PLACE:
        return metres, "METRES"
    raise SegyError(
        f"cells of {spacing:g} m do not fit the 16-bit sample interval of SEG-Y: it holds "
        f"{METRES_BELOW / 1000:g} to {LARGEST_16 / 1000:g} m in millimetres, or whole metres up to "
        f"{METRES_BELOW - 1}; resample the section"
    )


def _misfits(survey: Survey) -> list[str]:
    """Name the numbers of the records that do not fit 16 bits."""
    _, nt, receivers = survey.gather_shape
    mistakes = [*_too_many("samples of a trace", nt), *_too_many("receivers of a shot", receivers)]
    interval = survey.recorded_dt * 1e6
    drift = abs(interval - round(interval)) * nt
    if interval > LARGEST_16:
        mistakes.append(
            f"recorded samples are {interval:g} microseconds apart; SEG-Y's sample interval holds at most "
            f"{LARGEST_16}: take a smaller survey.keep_every"
        )
    elif drift > LARGEST_DRIFT * interval:
        mistakes.append(
            f"recorded samples are {interval:.9g} microseconds apart, but SEG-Y's sample interval is whole: "
            f"the last sample would be {drift:.3g} microseconds off; take a survey.dt that makes it whole"
        )
    return mistakes


def _too_many(what: str, count: int) -> list[str]:
    if count <= LARGEST_16:
        return []
    return [f"{count} {what}; SEG-Y counts them in 16 bits, at most {LARGEST_16}"]


def _scalar(what: str, *metres: NDArray[np.float64]) -> int:
    """The standard's scalar: 1, or minus what the integers are divided by; the coarsest that is exact."""
    values = np.concatenate([m.ravel() for m in metres])
    largest = float(np.abs(values).max())
    fitting = [factor for factor in DECIMALS if largest * factor <= LARGEST_32]
    for factor in fitting:
        if np.abs(np.rint(values * factor) / factor - values).max() < SAME_PLACE:
            return -factor if factor > 1 else 1
    if not fitting or fitting[-1] < CENTIMETRE:
        raise SegyError(f"{what} up to {largest:g} m do not fit SEG-Y's 32-bit integers in centimetres")
    return -fitting[-1]


def _scaled(metres: NDArray[np.float64], scalar: int) -> NDArray[np.float64]:
    return np.rint(metres * abs(scalar))


def _refuse(mistakes: list[str]) -> None:
    if mistakes:
        raise SegyError("\n".join(mistakes))
