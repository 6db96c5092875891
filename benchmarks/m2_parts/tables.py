"""The made-up dataset's tables: queries with their recorded splits, and outcomes whose sums hold to the query.

Whether a VLM is right is decided by a margin: its skill at the task, in the language and with what the picture shows,
and chance. The sums hold because the bar that a margin must pass is a rank: of the best free margins of the 46,107
queries, exactly 32,626 pass it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from arms.data.profiles import VlmProfile
from benchmarks.m2_parts.pictures import MOST_SHAPES, PALETTES, Picture
from benchmarks.m2_parts.questions import LANGUAGES, TASKS, question
from benchmarks.m2_parts.shape import FREE, OOD, PAID, Shape

SEED = 1
QUESTIONS_A_PICTURE = {"MME-RealWorld": 2}  # published: 29,429 on 13,366 pictures; one for the others, an upper bound
_LETTERS = np.array(list("ABCD"))
_TOKENS = (900, 20)  # of a prompt with its picture, and of an answer


@dataclass(frozen=True, eq=False)
class Tables:
    """What becomes queries.parquet (with the column `split`), outcomes.parquet and the pictures' files."""

    queries: pd.DataFrame
    outcomes: pd.DataFrame
    pictures: list[Picture]


def make_tables(shape: Shape, profiles: Sequence[VlmProfile], seed: int = SEED) -> Tables:
    """Make up the dataset; the same arguments give the same tables.

    Parameters
    ----------
    profiles : sequence of VlmProfile
        Those of `FREE`, then those of `PAID`.
    """
    assert [profile.name for profile in profiles] == [*FREE, *PAID]
    rng = np.random.default_rng(seed)
    queries, pictures = _make_queries(shape, rng)
    margin_NS = _margins(queries, len(profiles), rng)
    right_NS = _outcomes(shape, (queries["benchmark"] == OOD).to_numpy(), margin_NS)
    answerable = np.any(right_NS[:, : len(FREE)], axis=1)
    split, asked = _splits(shape, queries, answerable, rng)
    queries["split"] = split
    known_NS = np.ones_like(right_NS)
    known_NS[:, len(FREE) :] = asked[:, np.newaxis]
    outcomes = _outcome_rows(queries, profiles, right_NS, known_NS, rng)
    names = ["query_id", "benchmark", "task", "language", "question", "image", "answer", "split"]
    return Tables(queries[names], outcomes, pictures)


def _make_queries(shape: Shape, rng: np.random.Generator) -> tuple[pd.DataFrame, list[Picture]]:
    rows: list[dict[str, str | int]] = []
    pictures: list[Picture] = []
    for benchmark, count in {**shape.benchmarks, OOD: shape.ood}.items():
        for number in range(count):
            if number % QUESTIONS_A_PICTURE.get(benchmark, 1) == 0:
                pictures.append(
                    Picture(
                        name=f"images/{benchmark}/{number:05d}.jpg",
                        benchmark=benchmark,
                        number=len(pictures),
                        palette=int(rng.integers(len(PALETTES))),
                        shapes=int(rng.integers(MOST_SHAPES + 1)),
                    )
                )
            foreign = {"ALM-bench": 0.8, "MME-RealWorld": 0.2}.get(benchmark, 0.0)
            language = LANGUAGES[rng.integers(1, len(LANGUAGES))] if rng.random() < foreign else "English"
            task = TASKS[benchmark][rng.integers(len(TASKS[benchmark]))]
            rows.append(
                {
                    "query_id": f"{benchmark}/{number:05d}",
                    "benchmark": benchmark,
                    "task": task,
                    "language": language,
                    "question": question(benchmark, task, language, number, rng),
                    "image": pictures[-1].name,
                    "answer": str(_LETTERS[rng.integers(4)]),
                    "palette": pictures[-1].palette,
                    "shapes": pictures[-1].shapes,
                }
            )
    return pd.DataFrame(rows), pictures


def _margins(queries: pd.DataFrame, num_vlms: int, rng: np.random.Generator) -> np.ndarray:
    """By how much each VLM is better than the query is hard, shape (N, S)."""
    kinds = [task for tasks in TASKS.values() for task in tasks]
    skills = {
        "task": rng.normal(0, 1.2, (len(kinds), num_vlms)),
        "language": rng.normal(0, 0.6, (len(LANGUAGES), num_vlms)),
        "palette": rng.normal(0, 0.9, (len(PALETTES), num_vlms)),
    }
    codes = {
        "task": pd.Index(kinds).get_indexer(queries["task"]),
        "language": pd.Index(LANGUAGES).get_indexer(queries["language"]),
        "palette": queries["palette"].to_numpy(),
    }
    margin_NS = sum(skill[codes[name]] for name, skill in skills.items())
    crowded_N = queries["shapes"].to_numpy() / MOST_SHAPES - 0.5
    margin_NS -= crowded_N[:, np.newaxis] * rng.uniform(0.5, 3.0, num_vlms)
    margin_NS -= rng.normal(0, 0.8, (len(queries), 1))  # how hard a query is for all of them
    return margin_NS + rng.logistic(0, 0.6, margin_NS.shape)


def _outcomes(shape: Shape, is_ood: np.ndarray, margin_NS: np.ndarray) -> np.ndarray:
    """Who is right, bool of shape (N, S)."""
    num_free = len(FREE)
    bar_NS = np.empty_like(margin_NS)
    best_free = margin_NS[:, :num_free].max(axis=1)
    best_paid = margin_NS[:, num_free:].max(axis=1)
    for part, count in ((~is_ood, shape.answerable), (is_ood, shape.ood_free)):
        bar_NS[np.ix_(part, np.arange(num_free))] = _bar(best_free[part], count)
    # Of the queries of VHELM that no free VLM answers, a paid one answers as many as are missing to `ood_any`.
    left = is_ood & (best_free <= bar_NS[:, 0])
    bar_NS[:, num_free:] = _bar(best_paid[left], shape.ood_any - shape.ood_free)
    return margin_NS > bar_NS


def _bar(margins: np.ndarray, count: int) -> float:
    """A bar that exactly `count` margins pass; no two margins are equal."""
    order = np.sort(margins)
    return float((order[-count - 1] + order[-count]) / 2) if count < len(order) else float(order[0] - 1)


def _splits(
    shape: Shape, queries: pd.DataFrame, answerable: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """The split of each query, and whether the paid VLMs were asked; a picture's queries are in one split."""
    is_ood = (queries["benchmark"] == OOD).to_numpy()
    split = np.where(is_ood, "ood", "train").astype(object)
    split[_test_rows(shape, queries[~is_ood], answerable, rng)] = "id"
    asked = is_ood.copy()
    for name, count in (("id", shape.asked_test), ("train", shape.asked - shape.asked_test)):
        rows = np.flatnonzero((split == name) & answerable)
        asked[rng.choice(rows, count, replace=False)] = True
    return split.astype(str), asked


def _test_rows(shape: Shape, queries: pd.DataFrame, answerable: np.ndarray, rng: np.random.Generator) -> list[int]:
    """The rows of the split id: pictures in random order, each taken if neither count is exceeded with it."""
    left = {True: shape.test, False: shape.unanswerable_test}
    of_picture = list(queries.groupby("image", sort=False).indices.values())
    taken: list[int] = []
    for place in rng.permutation(len(of_picture)):
        rows = of_picture[place]
        wanted = {kind: int((answerable[rows] == kind).sum()) for kind in left}
        if all(wanted[kind] <= left[kind] for kind in left):
            left = {kind: left[kind] - wanted[kind] for kind in left}
            taken += rows.tolist()
        if not any(left.values()):
            break
    assert not any(left.values()), f"no pictures left that fill the split id: {left} queries are missing"
    return taken


def _outcome_rows(
    queries: pd.DataFrame,
    profiles: Sequence[VlmProfile],
    right_NS: np.ndarray,
    known_NS: np.ndarray,
    rng: np.random.Generator,
) -> pd.DataFrame:
    """A row for each known outcome, with an answer, and for the paid VLMs with cost and latency, as M2 records them."""
    row, column = np.nonzero(known_NS)
    right = right_NS[row, column]
    answer = pd.Index(_LETTERS).get_indexer(queries["answer"])[row]
    given = np.where(right, answer, (answer + rng.integers(1, 4, len(row))) % 4)
    prices = np.array([(vlm.price_in or np.nan, vlm.price_out or np.nan) for vlm in profiles]) / 1e6
    tokens = rng.poisson(_TOKENS, (len(row), 2))
    latency_s = np.where(column < len(FREE), np.nan, rng.lognormal(0.7, 0.5, len(row)))
    return pd.DataFrame(
        {
            "query_id": queries["query_id"].to_numpy()[row],
            "vlm": np.array([vlm.name for vlm in profiles])[column],
            "correct": right,
            "output": _LETTERS[given],
            "cost_usd": (tokens * prices[column]).sum(axis=1),
            "latency_s": latency_s,
        }
    )
