"""Refinement of a section by full-waveform inversion."""
