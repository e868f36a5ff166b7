"""Reads `.autoresearch.toml` into frozen dataclasses."""
