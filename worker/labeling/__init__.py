"""Sampling to labelling: which decisions people are asked about, with known chances, and what their answers say."""
