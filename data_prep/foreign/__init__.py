"""Models and records that others made: their arrays, units and axes, and a data set of them."""
