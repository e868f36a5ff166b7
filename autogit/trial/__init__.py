"""The life of one trial, from its proposal to its record."""
