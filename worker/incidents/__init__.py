"""Pairs reported wrong: what they have in common, what else is like them, and what is done about it."""
