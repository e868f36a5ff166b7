"""From a run's output to numbers, and from numbers to a verdict."""

from autogit.evaluate.evaluator import StandardEvaluator

__all__ = ["StandardEvaluator"]
