"""Refinement of a section by full-waveform inversion."""

from fwi.refine.refined import Iteration, Refined
from fwi.refine.refinement import refine

__all__ = ["Iteration", "Refined", "refine"]
