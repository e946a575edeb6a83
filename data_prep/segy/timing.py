"""The time axis of a file, on which all its headers must agree."""

import numpy as np

from data_prep.segy.headers import SegyError, present, scaled
from data_prep.segy.scan import Scan


def interval(scan: Scan) -> float:
    """The sample interval [s].

    Raises:
        SegyError: no header gives one, two headers give different ones, or traces are of different length.
    """
    _check_samples(scan)
    layout, said = scan.layout, present(scan.columns["interval"])
    if len(said) > 1:
        odd = int(np.flatnonzero(~np.isin(scan.columns["interval"], (0, layout.interval or said[0])))[0])
        raise SegyError(
            f"{scan.path}: the trace headers say sample intervals of {_range(said)} microseconds (byte "
            f"{scan.header_bytes.interval}), {scan.columns['interval'][odd]} in trace {odd + 1}; resample "
            "the traces to one interval, or correct the headers"
        )
    if not said and not layout.interval:
        binary = "in the binary header (bytes 3217-3218) and " if layout.kind == "SEG-Y" else ""
        raise SegyError(
            f"{scan.path}: the sample interval is zero {binary}in all trace headers (byte "
            f"{scan.header_bytes.interval}); write it there, in microseconds"
        )
    if said and layout.interval and abs(said[0] - layout.interval) >= 1:  # less is lost to whole numbers
        raise SegyError(
            f"{scan.path}: the sample interval is {layout.interval:g} microseconds in the binary header "
            f"(bytes 3217-3218), and {said[0]} in the trace headers (byte {scan.header_bytes.interval}); "
            "correct the wrong one"
        )
    if not layout.interval and layout.kind == "SEG-Y":
        scan.findings.append(
            f"the sample interval, {said[0]} microseconds, is in the trace headers alone (byte "
            f"{scan.header_bytes.interval})"
        )
    return (layout.interval or said[0]) / 1e6


def start(scan: Scan) -> float:
    """The time of the first sample after the shot [s].

    Raises:
        SegyError: traces begin at different times.
    """
    starts = np.unique(scaled(scan.columns["delay"], scan.columns["time_scalar"])) / 1e3
    if len(starts) > 1:
        raise SegyError(
            f"{scan.path}: traces begin at different times, {starts[0]:g} to {starts[-1]:g} s after the "
            f"shot (byte {scan.header_bytes.delay}); shift them to one, or correct the headers"
        )
    if starts[0]:
        scan.findings.append(
            f"the traces begin {starts[0]:g} s after the shot (byte {scan.header_bytes.delay})"
        )
    return float(starts[0])


def _check_samples(scan: Scan) -> None:
    """Refuse traces of different length; a wrong number that all trace headers share is only reported."""
    counts = present(scan.columns["samples"])
    if len(counts) > 1:
        odd = int(np.flatnonzero(~np.isin(scan.columns["samples"], (0, scan.layout.nt)))[0])
        raise SegyError(
            f"{scan.path}: traces of different length: {_range(counts)} samples by their headers (byte "
            f"{scan.header_bytes.samples}), first trace {odd + 1} with {scan.columns['samples'][odd]}, where "
            f"the file's size makes all {scan.layout.nt}; pad the traces to one length, or correct the "
            "headers"
        )
    if counts and counts != [scan.layout.nt]:
        scan.findings.append(
            f"the trace headers say {counts[0]} samples per trace (byte {scan.header_bytes.samples}), the "
            f"binary header says {scan.layout.nt}, which fit the file's size"
        )


def _range(values: list[int]) -> str:
    return " and ".join(map(str, values)) if len(values) == 2 else f"{values[0]} to {values[-1]}"
