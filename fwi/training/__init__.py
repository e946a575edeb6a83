"""Training: Lightning and Weights & Biases are used here alone."""
