"""The small process that starts a run, confines it and ends everything that it started. Standard library only."""
