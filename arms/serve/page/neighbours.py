"""The training queries that a route names as the nearest ones: what was asked, and small copies of their pictures."""

import os
from io import BytesIO
from pathlib import Path
from typing import Any

from arms.data.images import check_file
from arms.data.pictures import PictureError, decode_picture, read_file
from arms.data.storage.urls import is_bucket_url
from arms.data.tables import QUERIES, read_table
from arms.errors import ArmsError
from arms.serve.problems import RequestError

_SIDE = 320  # pixels
_QUALITY = 80
PICTURE_TYPE = "image/webp"


class Neighbours:
    """Queries of a dataset by their ids.

    Parameters
    ----------
    folder : Path
        The dataset that the router was trained on.

    Raises
    ------
    ArmsError
        If there is none.
    """

    def __init__(self, folder: Path) -> None:
        if not folder.is_dir():
            raise ArmsError(f"page.pictures: expected a dataset's folder, got {folder}; correct it, or set it to null")
        queries = read_table(folder / QUERIES.file, QUERIES)
        self._root = Path(os.path.realpath(folder))
        self._queries = {
            query_id: ("" if question != question else question, images or ())  # an unknown question is NaN
            for query_id, question, images in zip(queries.query_id, queries.question, queries.images, strict=True)
        }

    def find(self, query_id: str) -> dict[str, Any]:
        """What was asked, and of how many pictures; a RequestError if the query is unknown."""
        question, images = self._query(query_id)
        return {"query_id": query_id, "question": question, "num_images": len(images)}

    def picture(self, query_id: str, place: str) -> bytes:
        """A small copy of a query's picture; a RequestError if it is not there, or cannot be used."""
        _, images = self._query(query_id)
        names = {str(number): name for number, name in enumerate(images)}
        if place not in names:
            known = ", ".join(names) or "none"
            raise RequestError(404, f"place: unknown picture {place!r:.80}; known: {known}", param="place")
        found = check_file(self._root, names[place], decode=False)
        if found.problem:
            raise RequestError(404, f"{found.problem}: {found.detail}", code="picture_missing")
        try:
            path = names[place] if is_bucket_url(names[place]) else self._root / names[place]
            picture = decode_picture(read_file(path, names[place], sha256=found.sha256), names[place])
        except PictureError as error:
            raise RequestError(404, str(error), code="picture_missing") from error
        picture.thumbnail((_SIDE, _SIDE))
        file = BytesIO()
        picture.save(file, "WEBP", quality=_QUALITY)
        return file.getvalue()

    def _query(self, query_id: str) -> tuple[str, tuple[str, ...]]:
        if query_id not in self._queries:
            raise RequestError(
                404, f"query_id: {query_id!r:.80} is not in the folder of page.pictures", code="query_not_found"
            )
        return self._queries[query_id]
