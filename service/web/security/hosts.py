"""Names by which the server may be called, so that no other site's name can be made to point at it."""

from collections.abc import Iterable
from urllib.parse import urlsplit

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


class Hosts:
    """Names of the server, compared without their port."""

    def __init__(self, names: Iterable[str]) -> None:
        self._names = LOOPBACK | {name.lower() for name in names}

    def is_ours(self, host: str) -> bool:
        """Whether a Host header names this server."""
        return self._name(f"//{host}") in self._names

    def is_same(self, origin: str, host: str) -> bool:
        """Whether an Origin header is that of a page of this server, as the request calls it."""
        scheme, mark, rest = origin.partition("://")
        return bool(mark) and scheme in ("http", "https") and rest.lower() == host.lower() and self.is_ours(rest)

    @staticmethod
    def _name(url: str) -> str:
        try:
            parts = urlsplit(url)
            _ = parts.port
        except ValueError:
            return ""
        is_bare = not (parts.path or parts.query or parts.fragment or parts.username or parts.password)
        return (parts.hostname or "").lower() if is_bare and "@" not in parts.netloc else ""
