"""Draw viking.png: a marine shot as recorded, and brought onto the survey suggested for its file.

Run from the repository as ``python docs/figures/viking.py``. It reads Mobil's Viking Graben shots from the
folder ``shared/data`` beside the repository, and prints what was done to them and where they are clipped.
"""

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from data_prep.segy.direct_arrival import measure_direct_arrival
from data_prep.segy.regularise import PASSED, bring
from data_prep.segy.shots import open_shots
from data_prep.segy.source import prepare
from data_prep.segy.suggest import suggest
from fwi import config
from fwi.physics import Propagator
from fwi.survey import Survey

REPOSITORY = Path(__file__).resolve().parents[2]
NEAR = 400.0
"""Offset [m] of the trace that is drawn as a line, and compared."""


def main() -> None:
    """Draw and save the figure."""
    import matplotlib.pyplot as plt

    file = open_shots(REPOSITORY / "../shared/data/segy/viking_four_shots.segy")
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "suggested.yaml").write_text(suggest(file, spreading="point").text)
        study = config.load([Path(folder) / "suggested.yaml"])
    survey = Survey(study.grid, study.survey)
    as_kept = prepare(file, survey, study.physics, study.storage.dtype, spreading="point")
    measured = measure_direct_arrival(
        bring(file, as_kept.placements[0], survey, spreading="point"), survey, study.physics
    )
    # As the import itself advises where the direct arrival is reversed against the simulated one.
    sign = np.sign(measured.correlation)
    stated = {"spreading": "point", "gain": sign * as_kept.gain, "shift": as_kept.shift}
    line = prepare(file, survey, study.physics, study.storage.dtype, **stated)
    print("\n".join(as_kept.changes))

    raw = file.read(file.shots[0].number)
    brought = line.gathers([0])[0, 0]
    model = torch.full((1, study.grid.nz, study.grid.nx), measured.speed)
    with torch.inference_mode():
        direct = Propagator(survey, study.physics)(model)[0, 0].numpy()
    raw_offset = -file.shots[0].offset
    offset = survey.shot_x[0] - survey.receiver_x[0]
    raw_time = file.start + np.arange(file.nt) * file.dt

    figure = plt.figure(figsize=(12, 9.2), layout="constrained")
    top, bottom = figure.subfigures(2, 1, height_ratios=(1.75, 1))
    panels = (
        ("As recorded", raw, raw_offset, raw_time),
        ("On the survey suggested for the file", brought, offset, survey.time),
        (f"Simulated direct arrival, {measured.speed:.0f} m/s", direct, offset, survey.time),
    )
    axes = top.subplots(1, 3, sharex=True, sharey=True)
    for axis, (title, gather, at, time) in zip(axes, panels, strict=True):
        clip = float(np.percentile(np.abs(gather), 99))
        print(f"{title}: clipped at {clip:.3g}")
        _draw(axis, gather, at, time, clip)
        axis.set_title(f"{title}\nclipped at ±{clip:.3g}", loc="left", fontsize=10)
    axes[0].set_ylabel("Time (s)")

    traces, spectra = bottom.subplots(1, 2)
    near = int(np.abs(offset - NEAR).argmin())
    shown = survey.time <= 1.0
    traces.plot(survey.time[shown], brought[shown, near], color="black", label="On the survey")
    traces.plot(survey.time[shown], direct[shown, near], color="tab:red", label="Simulated direct arrival")
    limit = 3.0 * np.abs(direct[:, near]).max()
    traces.set(xlabel="Time (s)", ylabel="Pressure", xlim=(0, 1), ylim=(-limit, limit))
    traces.set_title(
        f"Trace at {offset[near]:.0f} m: gain and time are told by the direct arrival",
        loc="left",
        fontsize=10,
    )
    traces.legend(frameon=False, loc="upper left")

    for name, gather, dt, colour in (
        ("As recorded", raw, file.dt, "0.6"),
        ("On the survey", brought, survey.recorded_dt, "black"),
        ("Simulated direct arrival", direct, survey.recorded_dt, "tab:red"),
    ):
        frequency, amplitude = _spectrum(gather, dt)
        spectra.plot(frequency, amplitude, color=colour, label=name)
    peak = survey.config.wavelet.frequency
    spectra.axvspan(PASSED[0] * peak, PASSED[1] * peak, color="0.93", zorder=0)
    spectra.set(
        xlabel="Frequency (Hz)", ylabel="Amplitude (share of the largest)", xlim=(0, 60), ylim=(0, 1.05)
    )
    spectra.set_title("Mean spectrum of a shot; shaded: the band passed", loc="left", fontsize=10)
    spectra.legend(frameon=False)

    figure.savefig(REPOSITORY / "docs/figures/viking.png", dpi=80)


def _draw(axis: Any, gather: NDArray, offset: NDArray, time: NDArray, clip: float) -> None:
    order = np.argsort(offset)
    extent = (offset.min() / 1e3, offset.max() / 1e3, time[-1], time[0])
    axis.imshow(
        gather[:, order],
        cmap="gray",
        vmin=-clip,
        vmax=clip,
        extent=extent,
        aspect="auto",
        interpolation="bilinear",
    )
    axis.set_xlabel("Offset (km)")


def _spectrum(gather: NDArray, dt: float) -> tuple[NDArray, NDArray]:
    """Frequencies, and the mean amplitude over all traces, the largest being 1."""
    amplitude = np.abs(np.fft.rfft(gather, axis=0)).mean(axis=1)
    return np.fft.rfftfreq(len(gather), dt), amplitude / amplitude.max()


if __name__ == "__main__":
    main()
