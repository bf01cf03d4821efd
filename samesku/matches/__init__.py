"""`samesku matches`: the standing decisions, read from the log of all decisions."""
