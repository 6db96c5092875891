"""The outcome logger: it appends what became of each request to a file of JSON Lines."""

import asyncio
import json
import logging
import os
import sys
from collections.abc import Mapping
from datetime import datetime
from importlib import import_module
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from arms.errors import ArmsError
from arms.integrations.litellm.context import TOOLS_MARK
from arms.integrations.litellm.record import Keep, record_of

logger = logging.getLogger(__name__)

_PATIENCE_S = 5.0  # how long a line waits for those of other processes


class OutcomeLines:
    """Appends a line for each attempt at a request; the methods are those of LiteLLM's `CustomLogger`.

    Parameters
    ----------
    path : path
        Several processes may append to one file.
    keep : Keep

    Attributes
    ----------
    lost : int
        How many lines could not be written; each is a warning too.
    """

    def __init__(self, path: Path, keep: Keep) -> None:
        self.lost = 0
        self._path = path
        self._keep = keep

    async def async_pre_call_hook(
        self, user_api_key_dict: Any, cache: Any, data: dict[str, Any], call_type: str
    ) -> dict[str, Any]:
        """Mark a request that brings tools, for the routing plugin; LiteLLM's proxy calls this first."""
        if data.get("tools"):
            data.setdefault("litellm_metadata" if "litellm_metadata" in data else "metadata", {})[TOOLS_MARK] = True
        return data

    async def async_log_success_event(
        self, kwargs: Mapping[str, Any], response_obj: Any, start_time: datetime, end_time: datetime
    ) -> None:
        """Record an answer; LiteLLM calls this after it, and after the last chunk of a stream."""
        await asyncio.to_thread(self._record, kwargs, response_obj, start_time, end_time, True)

    async def async_log_failure_event(
        self, kwargs: Mapping[str, Any], response_obj: Any, start_time: datetime, end_time: datetime
    ) -> None:
        """Record an attempt that failed."""
        await asyncio.to_thread(self._record, kwargs, response_obj, start_time, end_time, False)

    def _record(
        self, event: Mapping[str, Any], response: Any, started: datetime, ended: datetime, succeeded: bool
    ) -> None:
        try:
            record = record_of(event, response, started, ended, self._keep, succeeded=succeeded)
            append_line(self._path, json.dumps(record, ensure_ascii=False))
        except Exception as error:  # the answer is given: nothing that happens here may end the request
            self.lost += 1
            logger.warning("%s: an outcome could not be recorded: %s: %s", self._path, type(error).__name__, error)


def outcome_logger(
    path: str | Path, *, keep_questions: bool = False, keep_images: bool = False, keep_outputs: bool = False
) -> Any:
    """A logger for `litellm.callbacks` and `litellm_settings.callbacks`, which takes only its own subclasses.

    Parameters
    ----------
    path : path
        A file of JSON Lines, made where there is none.
    keep_questions, keep_images, keep_outputs : bool
        Record these too; else only checksums of questions and images. To learn from the log, keep questions and images.

    Returns
    -------
    OutcomeLines and litellm.integrations.custom_logger.CustomLogger

    Raises
    ------
    ArmsError
        If LiteLLM was not imported before, or the file's folder is missing.
    """
    if "litellm" not in sys.modules:
        raise ArmsError("outcome_logger: expected LiteLLM to be there, as in its proxy; first: import litellm")
    folder = Path(path).resolve().parent
    if not folder.is_dir():
        raise ArmsError(f"{path}: expected a file in a folder that is there; make {folder}")
    custom_logger: Any = import_module("litellm.integrations.custom_logger").CustomLogger

    class OutcomeLogger(OutcomeLines, custom_logger):
        """Both: LiteLLM asks for its own class, and for a hook in the class itself."""

        async_pre_call_hook = OutcomeLines.async_pre_call_hook

        def __init__(self) -> None:
            custom_logger.__init__(self)
            OutcomeLines.__init__(
                self, Path(path), Keep(questions=keep_questions, images=keep_images, outputs=keep_outputs)
            )

    return OutcomeLogger()


def append_line(path: Path, line: str) -> None:
    """Append a line in one piece, behind a whole one.

    Raises
    ------
    OSError
        If it cannot be written.
    ArmsError
        If other processes keep the file for long.
    """
    try:
        with FileLock(f"{path}.lock", timeout=_PATIENCE_S), path.open("ab") as file:
            file.write(b"" if _ends_whole(path) else b"\n")  # one that was cut stays a line of its own
            file.write(line.encode("utf-8", "replace") + b"\n")
            file.flush()
            os.fsync(file.fileno())
    except Timeout:
        raise ArmsError(f"{path}: another process has kept it for {_PATIENCE_S:g} s") from None


def _ends_whole(path: Path) -> bool:
    """Whether a file ends with a line's end, or is empty."""
    with path.open("rb") as file:
        if file.seek(0, os.SEEK_END) == 0:
            return True
        file.seek(-1, os.SEEK_END)
        return file.read(1) == b"\n"
