"""Making records: salt models to shards, on this machine, on GPUs or on a cluster."""
