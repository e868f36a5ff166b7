"""What a lab has found, as a page to read in the morning."""

from autogit.report.page import Facts, page

__all__ = ["Facts", "page"]
