"""SEG-Y, both ways: gathers and velocity sections, with their geometry."""
