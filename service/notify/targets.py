"""Who is told what: `notify.yaml` of the home, written by whoever runs the server."""

import hashlib
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError, model_validator
from pydantic import Field as Rule

from service.loops.recipes import first_line
from service.store.notices import Kind

FILE = "notify.yaml"


class Smtp(BaseModel):
    """A mail server."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    host: str
    port: int = Rule(587, ge=1, le=65535)
    security: Literal["starttls", "tls", "none"] = "starttls"
    user: str | None = None
    password_file: Path | None = None
    """File with the password, so that it stands in no other."""


class Target(BaseModel):
    """Somebody who is told."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    webhook: str | None = Rule(None, pattern=r"^https?://")
    """Address that a notice is posted to, as JSON."""
    secret_file: Path | None = None
    """File with a secret: a webhook is signed with it, in the header `X-Evalmend-Signature`."""
    email: str | None = Rule(None, pattern=r"^[^@\s]+@[^@\s]+$")
    sender: str = Rule("evalmend@localhost", pattern=r"^[^@\s]+@[^@\s]+$")
    smtp: Smtp | None = None
    on: tuple[Kind, ...] = tuple(Kind)
    """What is told; everything unless it is named."""
    loops: str = "*"
    """Pattern of the ids of loops that it is told of, as `every-night-*`."""

    @model_validator(mode="after")
    def check(self) -> Self:
        if (self.webhook is None) == (self.email is None):
            raise ValueError("name a webhook or an email, and not both")
        if (self.email is None) != (self.smtp is None):
            raise ValueError("an email needs smtp with its host, and a webhook has none")
        return self

    def wants(self, kind: Kind, loop_id: str) -> bool:
        return kind in self.on and fnmatchcase(loop_id, self.loops)

    @property
    def name(self) -> str:
        """How logs call it; without the rest of an address, which may be a secret."""
        return self.email or "/".join(str(self.webhook).split("/")[:3])

    @property
    def key(self) -> str:
        """What tells it from others, and no secret."""
        return hashlib.sha256(f"{self.webhook} {self.email}".encode()).hexdigest()[:16]


def read_targets(home: Path) -> tuple[Target, ...]:
    """Read who is told what; nobody where there is no such file.

    Raises:
        ValueError: the file is wrong.
    """
    path = home / FILE
    if not path.is_file():
        return ()
    kind = TypeAdapter[tuple[Target, ...]](Annotated[tuple[Target, ...], Rule(max_length=50)])
    try:
        return kind.validate_python(yaml.safe_load(path.read_text(encoding="utf-8")) or ())
    except (yaml.YAMLError, ValidationError) as error:
        raise ValueError(f"{path} cannot be read: {first_line(error)}") from error
