"""Supervised fine-tuning: examples, packing, the trainer and the recipe."""
