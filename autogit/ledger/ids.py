"""What the id of a trial looks like."""

from __future__ import annotations

import re

ID = re.compile(r"(?:[a-z0-9](?:[a-z0-9_-]*[a-z0-9])?/)?[0-9]{1,9}")
"""A trial's id: a number, below the lab's name if it has one."""
MAX_ID = 80
"""Characters of an id."""
