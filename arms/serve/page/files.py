"""The page's own files, as a browser may use them: nothing inline, nothing from elsewhere, in no other page's frame."""

import os
from pathlib import Path
from typing import Any

from fastapi.responses import FileResponse, Response
from starlette.staticfiles import StaticFiles

STATIC = Path(__file__).with_name("static")
HEADERS = {
    "content-security-policy": (
        "default-src 'self'; img-src 'self' data: blob:; object-src 'none'; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-cache",  # asked for anew each time, by its checksum: a new version is seen at once
}


class PageFiles(StaticFiles):
    """Scripts, style and icon of the page."""

    def __init__(self) -> None:
        super().__init__(directory=STATIC)

    def file_response(self, full_path: str | os.PathLike[str], *args: Any, **settings: Any) -> Response:
        """A file with the headers of all of them."""
        response = super().file_response(full_path, *args, **settings)
        response.headers.update(HEADERS)
        return response


def front_page() -> Response:
    """What is at `/`."""
    return FileResponse(STATIC / "index.html", headers=HEADERS)
