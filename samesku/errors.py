"""Failures that are told to the user in one paragraph instead of a traceback."""

from __future__ import annotations


class CommandError(Exception):
    """Something the user can do something about; the text says what. The command line ends with `exit_code`."""

    exit_code = 1
