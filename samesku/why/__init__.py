"""`samesku why`: a pair's history, or why it has none, for a person to read."""
