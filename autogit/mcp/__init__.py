"""The face for coding agents: a Model Context Protocol server over a lab, and what introduces it to their programs."""
