"""What can go wrong with an incident."""

from __future__ import annotations


class IncidentError(Exception):
    """An incident cannot be worked on; the text says what is wrong and what to do."""
