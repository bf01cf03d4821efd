"""Why an export stops."""

from __future__ import annotations


class ExportError(Exception):
    """The export cannot be done with this base or adapter."""


class ExportRefusedError(ExportError):
    """The exported student does not say what the trained one says; nothing was written."""
