"""Batches of any length: queries are encoded window by window, and what is held does not depend on their number.

Held are the pictures of two windows at the encoder's size, those that are being decoded, one for each core, and the
features of recent pictures, questions and pairs.
"""

import logging
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from functools import partial

from arms.encoders.pair import EncoderPair
from arms.features.loader import Queries
from arms.features.online import Claim, Item
from arms.features.recent import Recent
from arms.progress import progress_bar
from arms.routers.queries import Query
from arms.routers.read_ahead import picture_reader, read_windows

WINDOW_QUERIES = 256
CACHE_MB = 256

Encode = Callable[[list[list[Item]], list[Item], Claim], Queries]  # see `arms.features.online.encode_queries`

logger = logging.getLogger(__name__)


class FeatureCache:
    """Features of pictures, questions and pairs that a router encoded lately; batches share it one after the other.

    Parameters
    ----------
    num_mb : float
        MiB of features of pictures, as many of questions, and as many of pairs for a joint encoder.
    """

    def __init__(self, num_mb: float) -> None:
        num_bytes = round(num_mb * 2**20)
        self.pictures, self.texts, self.pairs = Recent(num_bytes), Recent(num_bytes), Recent(num_bytes)

    def forget_unencoded(self) -> None:
        """Forget what a batch that failed did not encode any more."""
        self.pictures.forget_unencoded()
        self.texts.forget_unencoded()
        self.pairs.forget_unencoded()


def encode_windows(
    queries: Iterable[Query],
    encoders: EncoderPair,
    encode: Encode,
    *,
    window_queries: int,
    cache: FeatureCache,
    total: int | None,
) -> Generator[tuple[list[Query], Queries]]:
    """Yield the queries window by window, encoded; an error comes after the window before it.

    Parameters
    ----------
    encode : callable
        Encodes a window with the encoders; see `arms.features.online.encode_queries`.
    window_queries : int
        See `read_windows`.
    cache : FeatureCache
    total : int or None
        How many queries there are, where that is known; for progress.
    """
    most, done, warned = encoders.image.max_images, 0, False
    with (
        _cleared_of_the_rest(cache),
        progress_bar("route", "queries") as progress,
        picture_reader(encoders, cache.pictures) as reader,
        closing(read_windows(queries, reader, window_queries)) as windows,
    ):
        for window in windows:
            if window.queries:
                warned = warned or _warn_of_many(window.queries, most)
                questions = [cache.texts.claim(query.question)[0] for query in window.queries]
                pairs: list[Item] = []
                encoded = encode(window.pictures, questions, partial(_claim, cache.pairs, pairs))
                cache.pictures.settle(item for of_query in window.pictures for item in of_query)
                cache.texts.settle(questions)
                cache.pairs.settle(pairs)
                yield window.queries, encoded
                done += len(window.queries)
                progress(done, total)
            if window.error is not None:
                raise window.error


@contextmanager
def _cleared_of_the_rest(cache: FeatureCache) -> Iterator[None]:
    """What is not encoded when the block ends is not kept: its pixels would not be counted."""
    try:
        yield
    finally:
        cache.forget_unencoded()


def _claim(recent: Recent, claimed: list[Item], key: str) -> Item:
    """The item of a key, noted among those that are claimed."""
    item, _ = recent.claim(key)
    claimed.append(item)
    return item


def _warn_of_many(queries: Sequence[Query], most: int) -> bool:
    """Warn of the first query with more images than are read; whether there is one."""
    many = next((query for query in queries if len(query.sources) > most), None)
    if many is not None:
        logger.warning(
            "query %d has %d images; of a query with more than %d the first %d are read",
            many.number, len(many.sources), most, most,
        )  # fmt: skip
    return many is not None
