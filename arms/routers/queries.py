"""Queries as a router is asked them: any number of pictures, and a question."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

from arms.data.pictures import PictureSource
from arms.errors import ArmsError

Sources = PictureSource | Sequence[PictureSource]  # of one query

_NO_MORE: Any = object()


class QueryError(ArmsError):
    """A query of a batch that cannot be routed.

    Parameters
    ----------
    number : int
        Its place among the queries, from 0.
    problem : str
        What is wrong with it.
    """

    def __init__(self, number: int, problem: str) -> None:
        super().__init__(number, problem)
        self.number, self.problem = number, problem

    def __str__(self) -> str:
        return f"query {self.number}: {self.problem}"


@dataclass(frozen=True, eq=False)
class Query:
    """One query.

    Attributes
    ----------
    number : int
        Its place among the queries, from 0.
    sources : list of paths, binary files or PIL images
    question : str
    """

    number: int
    sources: list[PictureSource]
    question: str


def pair_queries(images: Iterable[Sources], questions: Iterable[str]) -> Iterator[Query]:
    """The queries of a batch; a QueryError where there are more images than questions, or fewer."""
    pairs = zip_longest(images, questions, fillvalue=_NO_MORE)
    for number, (sources, question) in enumerate(pairs):
        if sources is _NO_MORE or question is _NO_MORE:
            missing = "question" if question is _NO_MORE else "entry of images"
            raise QueryError(number, f"expected as many questions as entries of images, got no {missing}")
        yield Query(number, listed(sources), question)


def listed(sources: Sources) -> list[PictureSource]:
    """The pictures of one query; one alone may be given as it is."""
    if isinstance(sources, Sequence) and not isinstance(sources, str):
        return list(sources)
    return [sources]
