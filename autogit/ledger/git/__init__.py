"""Git itself: objects, refs, notes and transactions. Knows nothing of autogit."""
