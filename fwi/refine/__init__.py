"""Refinement of a section by full-waveform inversion."""

from fwi.refine.refinement import Iteration, Refined, refine

__all__ = ["Iteration", "Refined", "refine"]
