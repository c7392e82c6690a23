"""Who asks, as routes are told."""

from typing import Annotated

from fastapi import Depends, HTTPException, Request

from service.web.security.roles import Role, Who


async def _who(request: Request) -> Who:  # in the event loop, as another thread would cost more than what it does
    found = request.state.who
    assert isinstance(found, Who), "the guard lets nobody pass unknown"
    return found


Asking = Annotated[Who, Depends(_who)]
"""Who asks; the guard has seen to it that the role may change something where the request does."""


def is_admin(who: Asking) -> None:
    """Refuse others than admins."""
    if not who.role.may(Role.ADMIN):
        raise HTTPException(403, f"the role {who.role} may not do this; it needs {Role.ADMIN}")
