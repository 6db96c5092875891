"""The sizes of M2 (sections 3.1 and 3.2 of arXiv:2606.08970), to the query, and a smaller dataset of the same shape."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

FREE = ("Qwen2.5-VL-7B-Instruct", "Idefics2-8B", "Llama-3.2-11B-Vision-Instruct", "SmolVLM2-2.2B-Instruct")
PAID = ("gpt-4o", "claude-3.5-sonnet", "gemini-1.5-flash")
OOD = "VHELM"


@dataclass(frozen=True, kw_only=True)
class Shape:
    """How many queries there are of each kind. The free VLMs answer all of them.

    Attributes
    ----------
    benchmarks : mapping of str to int
        Queries of each benchmark in distribution, answerable by a free VLM or not.
    answerable : int
        Queries of these benchmarks that a free VLM answers.
    test : int
        Those of the answerable ones that are in the split id; the others are in train.
    asked, asked_test : int
        Answerable queries in distribution that the paid VLMs were asked too, in all and in the split id.
    ood, ood_free, ood_any : int
        Queries of VHELM, all asked of all seven VLMs; those that a free VLM answers; those that any VLM answers.
    """

    benchmarks: Mapping[str, int]
    answerable: int
    test: int
    asked: int
    asked_test: int
    ood: int
    ood_free: int
    ood_any: int

    @property
    def in_distribution(self) -> int:
        """Queries of the three benchmarks."""
        return sum(self.benchmarks.values())

    @property
    def queries(self) -> int:
        """All queries."""
        return self.in_distribution + self.ood

    @property
    def unanswerable_test(self) -> int:
        """Queries of the split id that no free VLM answers: as large a share of all of them as of the answerable."""
        return round((self.in_distribution - self.answerable) * self.test / self.answerable)

    def scaled(self, share: float) -> "Shape":
        """A dataset with this share of the queries of each kind."""

        def part(count: int) -> int:
            return max(1, round(count * share))

        return Shape(
            benchmarks={name: part(count) for name, count in self.benchmarks.items()},
            **{name: part(getattr(self, name)) for name in _COUNTS},
        )


_COUNTS = ("answerable", "test", "asked", "asked_test", "ood", "ood_free", "ood_any")

# How the 46,107 queries divide into the three benchmarks is not published; here as the benchmarks' own sizes do
# (22,763, 31,325 and 29,429).
M2 = Shape(
    benchmarks=MappingProxyType({"ALM-bench": 12_567, "MMT-Bench": 17_293, "MME-RealWorld": 16_247}),
    answerable=32_626,
    test=3_000,
    asked=7_000,
    asked_test=1_500,
    ood=10_000,
    ood_free=7_084,
    ood_any=9_397,
)
