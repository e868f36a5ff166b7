"""From a run's output to numbers, and from numbers to a verdict."""

from autogit.evaluate.evaluator import StandardEvaluator
from autogit.evaluate.rules import due_certificate

__all__ = ["StandardEvaluator", "due_certificate"]
