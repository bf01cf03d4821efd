"""Measuring a bundle on labelled pairs, through the very engine that serves."""
