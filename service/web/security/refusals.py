"""The one form of every refusal."""

from collections.abc import Mapping

from starlette.responses import JSONResponse

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


def refusal(status: int, message: str, headers: Mapping[str, str] | None = None) -> JSONResponse:
    """A refusal as JSON: `{"error": {"code": ..., "message": ...}}`.

    Args:
        status: Status of the answer, one of `CODES` or another from 400 on.
        message: What is wrong and what would be right, in a sentence.
        headers: Further headers.
    """
    code = CODES.get(status, "bad_request")
    return JSONResponse({"error": {"code": code, "message": message}}, status, dict(headers or {}))
