"""Judging again what was decided before, with another bundle (`worker.stream.replay` is the entry)."""
