"""Looks at a repository before the first loop: what to run, what to measure, and whether it works."""
