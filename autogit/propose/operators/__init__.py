"""Proposers that make a change out of the lab's own history."""
