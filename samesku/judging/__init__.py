"""Judges beside the running system: reading decisions and labels, and sending pairs to people."""
