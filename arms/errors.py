"""The error that ARMS raises for input it cannot use."""


class ArmsError(Exception):
    """Input that ARMS cannot use; the text says where, what was expected, what came and what to do."""
