"""Figures: velocity sections, shot gathers, attention, contradictions and training curves.

Everything that comes in is in SI units; kilometres and km/s exist in this package alone. The figures are
built on matplotlib's Figure itself, without pyplot: no window, no global state, nothing to be closed. A
notebook shows them after ``%matplotlib inline``; a script keeps them with :func:`~fwi.plots.save`.
"""

from fwi.plots.ablation import Dots, dots_and_bars
from fwi.plots.attention import attention_maps
from fwi.plots.contradiction import contradicted
from fwi.plots.line import line_section
from fwi.plots.records import SampleColumn, gather_grid, gathers, samples
from fwi.plots.refinement import (
    GatherRow,
    MisfitPoint,
    RefinedRow,
    error_over_gradients,
    misfit_over_gradients,
    refined_sections,
    residuals,
)
from fwi.plots.robustness import StrengthPanel, error_by_strength
from fwi.plots.style import png, save
from fwi.plots.training import curves
from fwi.plots.unet import unet
from fwi.plots.velocity import SectionRow, sections, velocity_interval, velocity_model

__all__ = [
    "Dots",
    "GatherRow",
    "MisfitPoint",
    "RefinedRow",
    "SampleColumn",
    "SectionRow",
    "StrengthPanel",
    "attention_maps",
    "contradicted",
    "curves",
    "dots_and_bars",
    "error_by_strength",
    "error_over_gradients",
    "gather_grid",
    "gathers",
    "line_section",
    "misfit_over_gradients",
    "png",
    "refined_sections",
    "residuals",
    "samples",
    "save",
    "sections",
    "unet",
    "velocity_interval",
    "velocity_model",
]
