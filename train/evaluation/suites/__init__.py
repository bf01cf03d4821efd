"""Robustness: what happens to a verdict when the listings are changed in a known way."""
