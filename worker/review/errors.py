"""What can go wrong on the review page, in words that the person who did it can use."""

from __future__ import annotations


class ReviewError(Exception):
    """Base; the text says what and what to do."""


class Stale(ReviewError):
    """What was on the screen is no longer so: another version of the pair, another vote, nothing to undo."""


class Contradiction(ReviewError):
    """The vote says two things at once: a match with an attribute that is different."""


class NotAllowed(ReviewError):
    """This user may not do that."""


class BadAccount(ReviewError):
    """A user's name, role or password cannot be used."""


class ForeignTopics(ReviewError):
    """The database was filled from other topics: they were made anew, or the settings point elsewhere."""


class InUse(ReviewError):
    """Another process serves the page from this database."""


class BadImport(ReviewError):
    """A file is not what it should be; the text says where."""
