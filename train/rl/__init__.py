"""Reinforcement learning from an SFT adapter: exact on the parallel slots, GRPO for what is written."""
