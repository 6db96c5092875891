"""Reading ahead: queries window by window, with their pictures, of which each distinct one is read once.

Threads read the pictures of the next window on all cores while the net computes this one: the decoders let go of the
interpreter's lock.
"""

import hashlib
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image

from arms.data.pictures import PictureSource, decode_picture, read_file, read_stream
from arms.encoders.pair import EncoderPair
from arms.errors import ArmsError
from arms.features.online import Item
from arms.features.reading import yield_cores
from arms.features.recent import Recent
from arms.params.runtime import count_cores
from arms.routers.queries import Query, QueryError


@dataclass(eq=False)
class Window:
    """Queries that are routed together.

    Attributes
    ----------
    queries : list of Query
    pictures : list of lists of Item
        Each query's pictures, read.
    error : Exception or None
        What is wrong with the query after these; there is no further window then.
    """

    queries: list[Query] = field(default_factory=list)
    pictures: list[list[Item]] = field(default_factory=list)
    error: Exception | None = None


def read_windows(queries: Iterable[Query], reader: "PictureReader", window_queries: int) -> Generator[Window]:
    """Yield the queries window by window, with their pictures; the pictures of the next window are read meanwhile.

    Parameters
    ----------
    window_queries : int
        The most queries of a window, and the most pictures, if no single query has more.
    """
    ahead: deque[_Started] = deque()
    with closing(_start_windows(queries, reader, window_queries)) as windows:
        for started in windows:
            ahead.append(started)
            if len(ahead) > 1:
                window = ahead.popleft().finish()
                yield window
                if window.error is not None:
                    return
        while ahead:
            yield ahead.popleft().finish()


class PictureReader:
    """Reads pictures in threads, each distinct one once as long as it is remembered.

    Parameters
    ----------
    recent : Recent
        Pictures by the SHA-256 of their bytes; of a PIL image, by that of its pixels at the encoders' sizes.
    """

    def __init__(self, encoders: EncoderPair, recent: Recent, threads: ThreadPoolExecutor) -> None:
        self.most, self._encoders, self._recent, self._threads = encoders.image.max_images, encoders, recent, threads

    def start(self, source: PictureSource) -> "Future[Item]":
        """Begin to read a picture. Open files and PIL images are read at once: their owner may close or change them."""
        if isinstance(source, str | Path):
            return self._threads.submit(self._read_path, source)
        done: Future[Item] = Future()
        try:
            if isinstance(source, Image.Image) or not hasattr(source, "read"):
                done.set_result(self._keep_pixels(*self._encoders.read(source)))
            else:
                where = str(getattr(source, "name", "the image"))
                return self._threads.submit(self._decode, read_stream(source, where), where)
        except ArmsError as error:
            done.set_exception(error)
        return done

    def _read_path(self, path: str | Path) -> Item:
        return self._decode(read_file(path), str(path))

    def _decode(self, content: bytes, where: str) -> Item:
        item, is_new = self._recent.claim(hashlib.sha256(content).hexdigest())
        if is_new:
            self._fill(item, lambda: self._encoders.read(decode_picture(content, where)))
        return item

    def _keep_pixels(self, pixels: np.ndarray, seen: Image.Image | None) -> Item:
        digest = hashlib.sha256(pixels.data)
        digest.update(b"" if seen is None else seen.tobytes())
        item, is_new = self._recent.claim(f"pixels {digest.hexdigest()}")
        if is_new:
            self._fill(item, lambda: (pixels, seen))
        return item

    def _fill(self, item: Item, read: Callable[[], tuple[np.ndarray, Image.Image | None]]) -> None:
        """Read a new item, for those who wait for it too; if that fails, the next query tries again."""
        reading = item.read
        assert reading is not None, "a new item is not encoded"
        try:
            item.set_read(*read())
        except BaseException as error:
            self._recent.drop(item)
            reading.set_exception(error)
            raise


@contextmanager
def picture_reader(encoders: EncoderPair, recent: Recent) -> Iterator[PictureReader]:
    """A reader with a thread for each core, which end with the block."""
    threads = ThreadPoolExecutor(count_cores(), "arms-pictures", initializer=yield_cores)
    try:
        yield PictureReader(encoders, recent, threads)
    finally:
        threads.shutdown(cancel_futures=True)


@dataclass(eq=False)
class _Started:
    """A window whose pictures are being read."""

    queries: list[Query] = field(default_factory=list)
    reading: list[list[Future[Item]]] = field(default_factory=list)
    error: Exception | None = None

    @property
    def num_pictures(self) -> int:
        return sum(map(len, self.reading))

    def add(self, query: Query, reader: PictureReader) -> None:
        self.queries.append(query)
        self.reading.append([reader.start(source) for source in query.sources[: reader.most]])

    def finish(self) -> Window:
        """Wait for the pictures; the window ends before the first query with one that cannot be read."""
        window = Window(self.queries, error=self.error)
        for query, reading in zip(self.queries, self.reading, strict=True):
            try:
                window.pictures.append([_wait(one) for one in reading])
            except ArmsError as error:
                window.queries = self.queries[: len(window.pictures)]
                window.error = _named(query.number, error)
                break
        return window


def _start_windows(queries: Iterable[Query], reader: PictureReader, window_queries: int) -> Generator[_Started]:
    """Divide the queries into windows; an error of whoever gives them comes with the window before it."""
    started = _Started()
    coming = iter(queries)
    while True:
        try:
            query = next(coming, None)
        except Exception as error:
            started.error = error
            query = None
        if query is None:
            break
        more = started.num_pictures + min(len(query.sources), reader.most) > window_queries
        if started.queries and (more or len(started.queries) == window_queries):
            yield started
            started = _Started()
        started.add(query, reader)
    if started.queries or started.error is not None:
        yield started


def _wait(reading: "Future[Item]") -> Item:
    item = reading.result()
    if item.read is not None:
        item.read.result()
    return item


def _named(number: int, error: ArmsError) -> QueryError:
    named = QueryError(number, f"{error}; replace the picture, or leave the query out")
    named.__cause__ = error
    return named
