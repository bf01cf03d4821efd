"""Why a replay does not begin, or does not go on."""

from __future__ import annotations


class ReplayError(Exception):
    """Base: the text says what is wrong and what to do. What is in the run's folder stays good for a resume."""


class WrongRequest(ReplayError):
    """What was asked for makes no sense here (a range that does not exist, a folder of another run)."""


class LogUnreadable(ReplayError):
    """Kafka fell silent or refused before the range was read to its end."""


class WouldNotStand(ReplayError):
    """Published decisions would not supersede those that stand."""
