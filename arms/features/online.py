"""Features of queries that arrive one by one: encoded at once and never stored.

What arrives again soon can be kept in memory, see `arms.features.recent`.
"""

import logging
import sys
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from itertools import pairwise

import numpy as np
import torch
from PIL import Image

from arms.encoders.base import Encoder
from arms.encoders.joint import JointEncoder
from arms.encoders.pair import EncoderPair
from arms.features.arrays import Array, Ragged, join_arrays, offsets_of
from arms.features.loader import Features, Pairs, Queries, gather_queries
from arms.features.trunk import run_trunk

logger = logging.getLogger(__name__)

# Encoded at a time, about; more are no faster on a CPU, and take more memory.
_IMAGES, _TEXTS = 32, 64

# What Python takes for an item that `Recent` keeps, and for each array, beside the values: measured with 100,000. The
# vector of a question has 768 bytes, and these are 600 more.
_ITEM_BYTES, _ARRAY_BYTES = 400, 200


class Item:
    """An image, a text or a pair on its way into a query: what the encoder takes, and once it is encoded its features.

    Attributes
    ----------
    key : str
        Equal keys stand for equal contents.
    read : Future of ndarray, or None
        Pixels or token ids, of a pair nothing; None once they are encoded.
    features : dict of str to ndarray or Ragged, or None
        One row each.
    seen : PIL image or None
        Of a picture that a joint encoder reads too: as it takes it.
    """

    __slots__ = ("features", "key", "read", "seen")

    def __init__(self, key: str) -> None:
        self.key = key
        self.seen: Image.Image | None = None
        self.read: Future[np.ndarray] | None = Future()
        self.features: dict[str, Array] | None = None

    @classmethod
    def of(cls, key: str, value: np.ndarray, seen: Image.Image | None = None) -> "Item":
        """An item that is read."""
        item = cls(key)
        item.set_read(value, seen)
        return item

    def set_read(self, value: np.ndarray, seen: Image.Image | None = None) -> None:
        """Let those who wait for it go on."""
        assert self.read is not None, "it is read once, and then encoded"
        self.seen = seen
        self.read.set_result(value)

    @property
    def nbytes(self) -> int:
        """Bytes of the key, the features, the picture as the joint encoder takes it, and Python's own, about."""
        pixels = 0 if self.seen is None else 3 * self.seen.width * self.seen.height
        arrays = sum(_held(array) for array in (self.features or {}).values())
        return _ITEM_BYTES + sys.getsizeof(self.key) + pixels + arrays


def _held(array: Array) -> int:
    return array.nbytes + _ARRAY_BYTES * (2 if isinstance(array, Ragged) else 1)


Pictures = Image.Image | Sequence[Image.Image | Item]  # of one query
Question = str | Item
Claim = Callable[[str], Item]  # the item of a key: one that was kept, or a new one


def encode_queries(
    encoders: EncoderPair,
    images: Sequence[Pictures],
    questions: Sequence[Question],
    device: torch.device,
    claim_pair: Claim = Item,
) -> Queries:
    """Encode N queries up to the cut; a repeated question is encoded once, and so is one and the same picture object.

    Parameters
    ----------
    images : sequence of N PIL images, or sequences of them
        Each query's images, none included; beyond the encoders' `max_images` they are not read. In the place of an
        image there may be an item; one that has features is not encoded again.
    questions : sequence of N str or Item
    claim_pair : callable
        Gives the item of a picture and question that a joint encoder reads together, see `JointEncoder.key`.
    """
    lists = [[of_query] if isinstance(of_query, Image.Image) else list(of_query) for of_query in images]
    most = encoders.image.max_images
    if more := sum(len(of_query) > most for of_query in lists):
        logger.warning("%d of %d queries have more than %d images; the first %d are read", more, len(lists), most, most)
    kept = [of_query[:most] for of_query in lists]
    opened = {id(one): _opened(encoders, one) for of_query in kept for one in of_query}
    items = [[opened[id(one)] for one in of_query] for of_query in kept]
    texts = _tokenized(encoders, questions)
    image_features = _features_of(encoders.image, [item for of_query in items for item in of_query], device, _IMAGES)
    text_features = _features_of(encoders.text, texts, device, _TEXTS)
    ids = [str(row) for row in range(len(kept))]
    keys = [[item.key for item in of_query] for of_query in items]
    pairs = None if encoders.joint is None else _pairs(encoders.joint, items, texts, device, claim_pair)
    return gather_queries(ids, keys, [text.key for text in texts], image_features, text_features, pairs)


def encode_texts(encoders: EncoderPair, texts: Sequence[str], device: torch.device) -> Features:
    """Features of distinct texts, keyed by the texts themselves."""
    if not texts:
        return Features({}, {})
    arrays = run_trunk(encoders.text, encoders.text.tokenize(texts), device)
    return Features(arrays, {text: row for row, text in enumerate(texts)})


def _opened(encoders: EncoderPair, picture: Image.Image | Item) -> Item:
    return picture if isinstance(picture, Item) else Item.of(str(id(picture)), *encoders.read(picture))


def _pairs(
    joint: JointEncoder,
    pictures: Sequence[Sequence[Item]],
    questions: Sequence[Item],
    device: torch.device,
    claim: Claim,
) -> Pairs:
    """The pairs of N queries; each distinct one that has no features yet is encoded, once."""
    keys, vectors = list[str | None](), dict[str, Array]()
    for of_query, question in zip(pictures, questions, strict=True):
        key = joint.key([item.key for item in of_query], question.key)
        keys.append(key)
        if key is not None and key not in vectors:
            pair = claim(key)
            if pair.features is None:
                seen = [item.seen for item in of_query if item.seen is not None]
                pair.features, pair.read = run_trunk(joint, [joint.read(seen, question.key)], device), None
            vectors[key] = pair.features["pooled"]
    arrays = {"pooled": join_arrays(list(vectors.values()))} if vectors else {}
    return Pairs.gather(Features(arrays, {key: row for row, key in enumerate(vectors)}), keys, joint.width)


def _tokenized(encoders: EncoderPair, questions: Sequence[Question]) -> list[Item]:
    """An item for each question; questions of the same text share one."""
    texts = [question.key if isinstance(question, Item) else question for question in questions]
    items = {question.key: question for question in questions if isinstance(question, Item)}
    new = [text for text in dict.fromkeys(texts) if text not in items or _waits(items[text])]
    for text, ids in zip(new, encoders.text.tokenize(new) if new else [], strict=True):
        items.setdefault(text, Item(text)).set_read(ids)
    return [items[text] for text in texts]


def _waits(item: Item) -> bool:
    """Whether an item is still to be read."""
    return item.read is not None and not item.read.done()


def _features_of(encoder: Encoder, items: Iterable[Item], device: torch.device, batch_size: int) -> Features:
    """The features of all distinct items; those that have none yet are encoded, inputs of one length together."""
    distinct = list({item.key: item for item in items}.values())
    new = [(item, item.read.result()) for item in distinct if item.read is not None]
    new.sort(key=lambda pair: len(pair[1]))  # hardly any padding is computed; pixels all have the same length
    # No small batch is left over: an input of it takes longer.
    num_batches = max(1, round(len(new) / batch_size))
    bounds = [len(new) * number // num_batches for number in range(num_batches + 1)]
    for batch in (new[start:end] for start, end in pairwise(bounds) if end > start):
        rows = _rows(run_trunk(encoder, [value for _, value in batch], device), len(batch))
        for (item, _), features in zip(batch, rows, strict=True):
            item.features, item.read = features, None
    if not distinct:
        return Features({}, {})
    of_items = [item.features for item in distinct if item.features is not None]
    arrays = {name: join_arrays([features[name] for features in of_items]) for name in of_items[0]}
    return Features(arrays, {item.key: row for row, item in enumerate(distinct)})


def _rows(arrays: dict[str, Array], count: int) -> list[dict[str, Array]]:
    """Each row by itself; a copy, as one row would else keep the whole batch in memory."""
    if count == 1:
        return [arrays]
    return [{name: _row(array, row) for name, array in arrays.items()} for row in range(count)]


def _row(array: Array, row: int) -> Array:
    if isinstance(array, Ragged):
        values = array.values[array.offsets[row] : array.offsets[row + 1]].copy()
        return Ragged(values, offsets_of([len(values)]))
    return array[row : row + 1].copy()
