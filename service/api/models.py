"""What is said and asked over HTTP."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict
from pydantic import Field as Rule

from service.loops.recipes import NAME
from service.security.roles import Role


class Said(BaseModel):
    """An answer."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Asked(BaseModel):
    """The body of a request; a field that is unknown, or of another type, is refused before anything is done."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


Name = Annotated[str, Rule(pattern=f"^{NAME}$")]


class Health(Said):
    """That the server lives, and how much it has to do."""

    server: str
    num_running: int
    """Loops that run, on all servers of the home."""
    num_queued: int


class Me(Said):
    """Who is signed in."""

    name: str
    role: Role
    csrf_token: str | None
    """What changes bring in the header x-csrf-token; null where a token came with the request."""


class NewToken(Asked):
    """A token to be given."""

    name: Name
    """Name of the person or program."""
    role: Annotated[Role, Rule(strict=False)]


class TokenRecord(Said):
    """A token, without its text."""

    id: str
    name: str
    role: Role
    created: float
    is_link: bool
    """Whether it is the link of a server, with which it ends."""


class GivenToken(TokenRecord):
    """A token that was just given."""

    text: str
    """Its text, which is told once and kept nowhere."""
