"""Making and importing records: salt models, simulation, and the files that people have."""
