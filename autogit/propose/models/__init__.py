"""Language models and coding agents as proposers."""
