"""Roles, each of which may do what those below it may."""

from dataclasses import dataclass
from enum import StrEnum


class Role(StrEnum):
    """What a token is good for; the words are in the database and in answers."""

    VIEWER = "viewer"
    """Reads."""
    APPROVER = "approver"
    """Submits, cancels and resumes loops, and decides on proposals."""
    ADMIN = "admin"
    """Gives and takes tokens, and reads who did what."""

    def may(self, needed: "Role") -> bool:
        """Whether it is this role or one above it."""
        order = list(Role)
        return order.index(self) >= order.index(needed)


@dataclass(frozen=True, slots=True)
class Who:
    """Who asks."""

    token: str
    """Id of the token, which is no secret."""
    name: str
    role: Role
    csrf: str | None
    """Token that changes by this session have to bring; None where a token came with the request itself, which no
    browser adds by itself."""
