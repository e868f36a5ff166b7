"""Runs jobs: believes nothing that they say, leaves nothing of them behind."""
