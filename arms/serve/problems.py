"""What the gateway answers where it cannot do what was asked, in the form of OpenAI's errors."""

from collections.abc import Mapping
from typing import Any

from fastapi.responses import JSONResponse

_TYPES = {401: "authentication_error", 403: "permission_error", 404: "not_found_error", 429: "rate_limit_error"}


class RequestError(Exception):
    """A request that ends with an error.

    Parameters
    ----------
    status : int
        Of HTTP.
    message : str
        Where, what was expected, what came, what to do.
    code : str, optional
        A word for programs.
    param : str, optional
        The part of the request that it is about.
    headers : mapping, optional
        For the response.
    """

    def __init__(
        self,
        status: int,
        message: str,
        *,
        code: str | None = None,
        param: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status, self.message, self.code, self.param = status, message, code, param
        self.headers = dict(headers or {})

    def to_json(self) -> dict[str, Any]:
        """The body."""
        return error_body(self.status, self.message, self.code, self.param)

    def response(self, headers: Mapping[str, str] | None = None) -> JSONResponse:
        """The response, with further headers."""
        return JSONResponse(self.to_json(), self.status, {**(headers or {}), **self.headers})


def error_body(status: int, message: str, code: str | None = None, param: str | None = None) -> dict[str, Any]:
    """An error in OpenAI's form."""
    kind = _TYPES.get(status, "invalid_request_error" if status < 500 else "api_error")
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}
