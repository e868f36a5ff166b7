"""Hyperparameter search over the values as they stand in the code."""
