"""Answers to what goes wrong, all of one form.

None shows a traceback, or repeats more of a request than a few letters.
"""

import logging

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Match

from controller.engine.errors import is_user_error
from service.loops.recipes import UnknownRecipe, shown
from service.requests.errors import Conflict, Unknown
from service.store.database import UNREACHED
from service.web.security.refusals import refusal

log = logging.getLogger(__name__)

METHODS = ("DELETE", "GET", "PATCH", "POST", "PUT")
"""Methods that routes may take."""


def answer_errors(app: FastAPI) -> None:
    """Have the application answer every error in the one form."""

    @app.exception_handler(UnknownRecipe)
    @app.exception_handler(Unknown)
    def unknown(request: Request, error: Unknown | UnknownRecipe) -> Response:
        return refusal(request.scope, 404, str(error))

    @app.exception_handler(Conflict)
    def conflict(request: Request, error: Conflict) -> Response:
        return refusal(request.scope, 409, str(error))

    @app.exception_handler(ValueError)
    def refused(request: Request, error: ValueError) -> Response:
        # Only what our own code says of what it was given is for a reader; the rest is a defect.
        if not is_user_error(error):
            raise error
        return refusal(request.scope, 422, str(error))

    @app.exception_handler(RequestValidationError)
    def invalid(request: Request, error: RequestValidationError) -> Response:
        wrong = error.errors()[0]
        place = ".".join(str(part) for part in wrong["loc"])
        return refusal(request.scope, 422, f"{shown(place)}: {wrong['msg']}")

    @app.exception_handler(HTTPException)
    def other(request: Request, error: HTTPException) -> Response:
        headers = {name.lower(): value for name, value in (error.headers or {}).items()}
        if error.status_code == 405:
            headers["allow"] = _allowed(app, request)
        return refusal(request.scope, error.status_code, str(error.detail), headers)

    async def away(request: Request, error: Exception) -> Response:
        log.warning("the database cannot be reached: %s", error)
        return refusal(request.scope, 503, "the database cannot be reached now; try again", {"retry-after": "5"})

    for kind in UNREACHED:
        app.add_exception_handler(kind, away)

    @app.exception_handler(Exception)
    def failed(request: Request, error: Exception) -> Response:
        return refusal(request.scope, 500, "the server failed; its log says where")


def _allowed(app: FastAPI, request: Request) -> str:
    """Methods that some route takes at the path, as `Allow` names them."""

    def is_taken(method: str) -> bool:
        scope = {**request.scope, "method": method}
        return any(route.matches(scope)[0] is Match.FULL for route in app.routes)

    return ", ".join(method for method in METHODS if is_taken(method))
