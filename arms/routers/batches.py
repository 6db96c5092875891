"""Batches of any length: queries are encoded window by window, and what is held does not depend on their number.

Held are the pictures of two windows at the encoder's size, those that are being decoded, one for each core, and the
features of recent pictures and questions.
"""

import logging
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import closing

from arms.encoders.pair import EncoderPair
from arms.features.loader import Queries
from arms.features.online import Item
from arms.features.recent import Recent
from arms.progress import progress_bar
from arms.routers.queries import Query
from arms.routers.read_ahead import picture_reader, read_windows

WINDOW_QUERIES = 256
CACHE_MB = 256

Encode = Callable[[list[list[Item]], list[Item]], Queries]  # from each query's pictures, and the questions

logger = logging.getLogger(__name__)


def encode_windows(
    queries: Iterable[Query],
    encoders: EncoderPair,
    encode: Encode,
    *,
    window_queries: int,
    cache_bytes: int,
    total: int | None,
) -> Generator[tuple[list[Query], Queries]]:
    """Yield the queries window by window, encoded; an error comes after the window before it.

    Parameters
    ----------
    encode : callable
        Encodes a window with the encoders; see `arms.features.online.encode_queries`.
    window_queries : int
        See `read_windows`.
    cache_bytes : int
        What features of recent pictures may take, and as much those of questions.
    total : int or None
        How many queries there are, where that is known; for progress.
    """
    most, done, warned = encoders.image.max_images, 0, False
    pictures, texts = Recent(cache_bytes), Recent(cache_bytes)
    with (
        progress_bar("route", "queries") as progress,
        picture_reader(encoders, pictures) as reader,
        closing(read_windows(queries, reader, window_queries)) as windows,
    ):
        for window in windows:
            if window.queries:
                warned = warned or _warn_of_many(window.queries, most)
                questions = [texts.claim(query.question)[0] for query in window.queries]
                encoded = encode(window.pictures, questions)
                pictures.settle(item for of_query in window.pictures for item in of_query)
                texts.settle(questions)
                yield window.queries, encoded
                done += len(window.queries)
                progress(done, total)
            if window.error is not None:
                raise window.error


def _warn_of_many(queries: Sequence[Query], most: int) -> bool:
    """Warn of the first query with more images than are read; whether there is one."""
    many = next((query for query in queries if len(query.sources) > most), None)
    if many is not None:
        logger.warning(
            "query %d has %d images; of a query with more than %d the first %d are read",
            many.number, len(many.sources), most, most,
        )  # fmt: skip
    return many is not None
