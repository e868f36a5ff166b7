"""One exporter a file; registered by name in `report/export.py`, or by another package's entry point."""
