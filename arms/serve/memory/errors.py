"""Why a memory refuses a record, as errors that a server can tell apart."""

from arms.errors import ArmsError


class DoubledRequestError(ArmsError):
    """The request id is taken."""


class UnknownRequestError(ArmsError):
    """There is no decision with this request id."""
