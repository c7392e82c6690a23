"""Sessions of browsers: a signed cookie that names a token, and is worth no more than that.

Nothing is stored of a session. It ends after `LASTS_S`, or at once when its token is taken back.
"""

import hashlib
import hmac
import os
import secrets
import time
from pathlib import Path

LASTS_S = 12 * 3600
KEY_BYTES = 32


class Sessions:
    """Sessions of a home, whose servers share the key that signs them."""

    def __init__(self, key: bytes, *, is_secure: bool = False) -> None:
        """Make the sessions of a home.

        Args:
            key: Key that signs them.
            is_secure: Whether browsers come by TLS alone, as behind a proxy, and may send the cookie by nothing else.
        """
        self._key = key
        self.is_secure = is_secure
        self.cookie_name = f"evalmend_{self._sign('name', '')[:8]}"
        """Name of the cookie: browsers send a cookie to every port of a host, and two homes must not overwrite each
        other's."""

    def begin(self, token_id: str) -> str:
        """Value of the cookie of a new session."""
        content = f"{token_id}.{int(time.time()) + LASTS_S}.{secrets.token_hex(8)}"
        return f"{content}.{self._sign('session', content)}"

    def read(self, cookie: str) -> str | None:
        """Id of the token that a session was begun with; None where the cookie is not ours, or is over."""
        content, _, signature = cookie.rpartition(".")
        if not hmac.compare_digest(signature.encode("utf-8", "replace"), self._sign("session", content).encode()):
            return None
        token_id, expires, _ = content.split(".")
        return token_id if time.time() < int(expires) else None

    def csrf(self, cookie: str) -> str:
        """Token that a change by this session has to bring in a header, which no other site's page can read or set."""
        return self._sign("csrf", cookie)

    def _sign(self, purpose: str, content: str) -> str:
        return hmac.new(self._key, f"{purpose}:{content}".encode("utf-8", "replace"), hashlib.sha256).hexdigest()


def key_of(path: Path) -> bytes:
    """The key in a file, which is made where there is none, readable by its owner alone.

    Raises:
        ValueError: the file is there and holds none.
    """
    new = path.with_name(f"{path.name}.{os.getpid()}")
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(secrets.token_bytes(KEY_BYTES))
    try:
        os.link(new, path)  # whole, and by one server alone, however many begin at once
    except FileExistsError:
        pass
    finally:
        new.unlink()
    key = path.read_bytes()
    if len(key) != KEY_BYTES:
        raise ValueError(f"{path} must hold {KEY_BYTES} random bytes; remove it for a new one")
    return key
