"""What a router comes from: the dataset and its split, and what answers are expected to cost by its records."""

import hashlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Self

from arms.data.costs import AnswerPrice, answer_prices
from arms.data.prepared import Prepared
from arms.data.splits import SPLITS
from arms.params.costs import CostsParams


@dataclass(frozen=True)
class Origin:
    """Where a router comes from; it is saved in the router's description.

    Attributes
    ----------
    data : str
        The dataset's name.
    splits : dict of str to int
        How many queries each split has.
    split_sha256 : str
        Of the ids of all queries with their splits: another division of the same queries is another hash.
    learnt_from : tuple of str
        The splits that the router has learnt from. It chose among settings and was calibrated on val.
    prices : dict of str to AnswerPrice
        By VLM, what the evaluation expects an answer to cost; a VLM of unknown cost is left out.
    """

    data: str
    splits: dict[str, int]
    split_sha256: str
    learnt_from: tuple[str, ...]
    prices: dict[str, AnswerPrice]

    @classmethod
    def of(
        cls,
        data: str,
        prepared: Prepared,
        vlms: Sequence[str],
        costs: CostsParams,
        learnt_from: Sequence[str] = ("train",),
    ) -> Self:
        """The origin of a router over some VLMs that was made on a prepared dataset."""
        splits: dict[str, int] = {name: len(prepared.split(name)) for name in SPLITS}
        return cls(data, splits, split_sha256(prepared), tuple(learnt_from), answer_prices(prepared, vlms, costs))

    def to_json(self) -> dict[str, Any]:
        """As a checkpoint's description holds it."""
        return asdict(self) | {"learnt_from": list(self.learnt_from)}

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> Self:
        """What `to_json` gave."""
        prices = {vlm: AnswerPrice(**price) for vlm, price in content["prices"].items()}
        return cls(**content | {"learnt_from": tuple(content["learnt_from"]), "prices": prices})

    def __str__(self) -> str:
        """Such as "sample, from 4,186 queries of train"."""
        count = sum(self.splits[name] for name in self.learnt_from)
        return f"{self.data}, from {count:,} queries of {', '.join(self.learnt_from)}"


def split_sha256(prepared: Prepared) -> str:
    """The hash of which query is in which split, whatever the order of the queries."""
    pairs = sorted(zip(prepared.queries["query_id"], prepared.queries["split"], strict=True))
    return hashlib.sha256("\n".join(f"{query_id}\t{split}" for query_id, split in pairs).encode()).hexdigest()
