"""Deep-learning full-waveform inversion for 2-D salt."""
