"""Draw cycle_skipping.png: why a waveform that is late by more than half a period is pulled the wrong way.

    python docs/figures/cycle_skipping.py

Left, a trace and the same trace late by a quarter and by 0.65 of a period. Middle, the misfit of the two
against the shift. Right, the misfit of simulated records against an error of all speeds, for a salt model of
the demo's study. It takes half a minute.
"""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import torch

import fwi
from data_prep.salt import generate
from fwi import config, misfit

PEAK = 6.0
"""Peak frequency of the wavelet [Hz]."""
LOW = 2.0
"""Highest frequency that the low-passed records keep [Hz]."""
BLACK, ORANGE, BLUE = "black", "#d55e00", "#0072b2"


def ricker(time):
    """Ricker wavelet of the peak frequency, at its largest at time 0."""
    squared = (np.pi * PEAK * time) ** 2
    return (1 - 2 * squared) * np.exp(-squared)


figure, (traces, shifts, speeds) = plt.subplots(1, 3, figsize=(10.5, 4.2), layout="constrained")

time = np.arange(-0.3, 0.5, 0.001)
for number, (late, colour) in enumerate(((0.25, BLUE), (0.65, ORANGE))):
    height = -2.2 * number
    traces.plot(1000 * time, ricker(time) + height, color=BLACK, linewidth=1.8)
    traces.plot(1000 * time, ricker(time - late / PEAK) + height, color=colour, linestyle="--", linewidth=1.8)
    traces.text(-290, height + 0.55, f"late by\n{late:g} periods", color=colour, fontsize=11)
traces.set(xlabel="Time (ms)", yticks=[], xlim=(-300, 450), ylim=(-3.2, 1.3))
traces.set_title("Recorded (solid), simulated (dashed)", fontsize=11)

shift = np.linspace(-1.5, 1.5, 601)
value = [np.square(ricker(time - late / PEAK) - ricker(time)).sum() for late in shift]
value = np.array(value) / np.square(ricker(time)).sum()
shifts.plot(shift, value, color=BLACK)
for late, colour in ((0.25, BLUE), (0.65, ORANGE)):
    at = np.argmin(np.abs(shift - late))
    downhill = -np.sign(value[at + 1] - value[at - 1])
    shifts.plot(shift[at], value[at], "o", color=colour, markersize=8)
    shifts.annotate(
        "",
        (shift[at] + 0.22 * downhill, np.interp(shift[at] + 0.22 * downhill, shift, value)),
        (shift[at], value[at]),
        arrowprops={"arrowstyle": "-|>", "color": colour, "linewidth": 2},
    )
shifts.axvspan(-0.5, 0.5, color="0.92", zorder=0)
shifts.text(0, 4.15, "less than\nhalf a period", ha="center", va="top", fontsize=10)
shifts.set(xlabel="Shift (periods)", ylabel="Misfit (share of the record's energy)", ylim=(0, 4.2))
shifts.set_title("One trace: which way is downhill", fontsize=11)

# The demo's study, with room in the grid's speeds, and thus shorter steps, for models that are 10 % off.
wider = {"velocity": (1800.0, 4950.0)}
study = config.load(["demo"])
survey = fwi.Survey(
    study.grid.model_copy(update=wider),
    study.survey.model_copy(update={"dt": 0.0025, "nt": 800, "keep_every": 8}),
)
propagator = fwi.Propagator(survey, study.physics)
truth = generate(study.grid, study.salt, 16, 0).velocity
error = np.linspace(-0.1, 0.1, 41)
with torch.inference_mode():
    recorded = propagator(torch.from_numpy(truth)[None])[0]
    for highest, colour, name in (
        (None, ORANGE, f"all frequencies (peak {PEAK:g} Hz)"),
        (LOW, BLUE, f"below {LOW:g} Hz"),
    ):
        curve = []
        for share in error:
            faster = (truth * (1 + share)).astype(np.float32)
            simulated = propagator(torch.from_numpy(faster)[None])[0]
            both = [misfit.weighted_by_time(each, survey.recorded_dt, 2) for each in (simulated, recorded)]
            if highest:
                both = [misfit.band_passed(each, survey.recorded_dt, 0.0, highest) for each in both]
            curve.append(float(misfit.normalised_rms(*both)) ** 2)
        print(name, ", ".join(f"{100 * e:.0f} %: {c:.2f}" for e, c in zip(error, curve, strict=True)))
        speeds.plot(100 * error, curve, color=colour, marker=".", label=name)
speeds.set(xlabel="Error of all speeds (%)", ylabel="Misfit (share of the records' energy)", ylim=(0, 3.6))
speeds.legend(frameon=False, loc="upper left", fontsize=10)
speeds.set_title("Records of a salt model", fontsize=11)
figure.savefig(Path(__file__).with_suffix(".png"), dpi=95)
