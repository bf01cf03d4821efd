"""The section of the settings for the review page. Other sections, and what a section is: `schemas.sections`."""

from __future__ import annotations

import ipaddress
from typing import Annotated, Self

from pydantic import Field, model_validator

from schemas.sections import Positive, Seconds, Section


class ReviewSettings(Section):
    """`samesku review`: where the page is served and keeps its state, and how people label on it."""

    database: str = Field(
        default="review.db",
        description="SQLite file: users, votes, the trail of who said what. Tasks and labels are in Kafka as well",
    )
    # A page for a known few: it is reachable from elsewhere only if somebody says so, and then through TLS.
    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65_535)] = Field(default=8420, description="0: any free one")
    hosts: tuple[str, ...] = Field(
        default=(), description="more names under which browsers may ask for the page; others are refused"
    )
    secure_cookies: bool = Field(
        default=False, description="cookies travel over TLS only; needed where host is not this machine alone"
    )
    session_hours: Annotated[float, Field(gt=0, le=24 * 30)] = Field(
        default=12.0, description="a login ends after this long, used or not"
    )
    min_password: Annotated[int, Field(ge=8, le=1_000)] = Field(
        # NIST SP 800-63B asks for 8 as the least and for no rules about kinds of characters.
        default=12,
        description="characters of a password at least",
    )
    login_attempts: Positive = Field(
        # At 10 in five minutes a list of a thousand common passwords takes over eight hours, for each name.
        default=10,
        description="failed logins in five minutes, of one name or of one address, before both must wait",
    )
    requests_per_minute: Positive = Field(
        # Two requests a pair: a person who needs half a second for each stays below.
        default=600,
        description="of one user",
    )
    undo_s: Annotated[float, Field(ge=0, le=3_600)] = Field(
        default=10.0, description="a label leaves for match.labels after this long; until then undo takes it back"
    )
    lease_s: Seconds = Field(
        # Longer than a hard pair takes, shorter than a lunch.
        default=900.0,
        description="a pair on somebody's screen is shown to nobody else for this long",
    )
    double_share: Annotated[float, Field(ge=0, le=1)] = Field(
        default=0.1,
        description="of the pairs of match.review, those that two people label (by hash); tasks of match.labeling say "
        "it themselves",
    )
    blind: bool = Field(
        default=False, description="what the student said is shown only after the vote, so that it sways nobody"
    )
    load_images: bool = Field(
        # Every image tells its host who looks at which product, and when.
        default=False,
        description="load the sellers' images from their hosts; off: a link",
    )
    poll_s: Seconds = Field(default=0.5, description="between two looks at the topics")

    @model_validator(mode="after")
    def _open_only_with_tls(self) -> Self:
        if not self.secure_cookies and not _is_loopback(self.host):
            raise ValueError(
                "a host that others can reach needs secure_cookies = true and TLS in front of the page: "
                "passwords and sessions would travel in clear"
            )
        return self


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
