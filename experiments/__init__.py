"""The recipes: each command of ``fwi``, readable from top to bottom."""
