"""What can go wrong before a student serves; each names the file that is to blame."""

from __future__ import annotations

from schemas.bundle import BundleError


class WeightsError(BundleError):
    """A file of weights (base or adapter) cannot be read."""


class RecipeError(BundleError):
    """A recipe cannot be assembled: a file is missing, or its bytes are not the ones that were exported."""
