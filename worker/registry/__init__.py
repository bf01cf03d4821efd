"""The registry of bundles (`match.models`): reading and writing it, and workers that follow it without a restart."""
