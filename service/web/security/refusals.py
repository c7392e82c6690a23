"""The form of every refusal: one for programs, one for people."""

from collections.abc import Mapping

from markupsafe import escape
from starlette.datastructures import Headers
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.types import Scope

CODES: Mapping[int, str] = {
    400: "bad_request",
    401: "not_signed_in",
    403: "not_allowed",
    404: "not_found",
    405: "no_such_method",
    408: "too_slow",
    409: "conflict",
    413: "too_large",
    421: "wrong_host",
    422: "bad_value",
    429: "too_often",
    500: "failed",
    503: "not_now",
}


_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>:root {{ color-scheme: light dark }} body {{ font: 1rem/1.55 system-ui, sans-serif; margin: 4rem auto;
max-width: 36rem; padding: 0 1.25rem }} h1 {{ font: 600 1.6rem Charter, Georgia, serif }}</style></head>
<body><main><h1>{title}</h1><p>{message}</p><p><a href="/">All loops</a></p></main></body></html>
"""
_PAGE_CSP = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"


def refusal(scope: Scope, status: int, message: str, headers: Mapping[str, str] | None = None) -> Response:
    """A refusal: as JSON, `{"error": {"code": ..., "message": ...}}`, or as a page to a browser that asks for one.

    Args:
        scope: What was asked.
        status: Status of the answer, one of `CODES` or another from 400 on.
        message: What is wrong and what would be right, in a sentence.
        headers: Further headers.
    """
    code = CODES.get(status, "bad_request")
    if _is_for_people(scope):
        title = code.replace("_", " ").capitalize()
        page = _PAGE.format(title=escape(title), message=escape(message))
        return HTMLResponse(page, status, {"content-security-policy": _PAGE_CSP} | dict(headers or {}))
    return JSONResponse({"error": {"code": code, "message": message}}, status, dict(headers or {}))


def _is_for_people(scope: Scope) -> bool:
    return not scope["path"].startswith("/api/") and "text/html" in Headers(scope=scope).get("accept", "")
