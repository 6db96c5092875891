"""What answers cost and how long they take: as recorded, as estimated from prices, and as expected beforehand."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import astuple, dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from arms.data.profiles import VlmProfile
from arms.params.costs import CostsParams

if TYPE_CHECKING:
    from arms.data.prepared import Prepared

Prompts = tuple[NDArray[np.float64], NDArray[np.float64]]  # of N queries: the number of characters, and of images
Source = Literal["recorded", "partly recorded", "estimated", "unknown"]
_MILLION = 1e6
_THOUSAND = 1000.0


@dataclass(frozen=True, eq=False)
class Expenses:
    """The costs in USD, or the latencies in seconds, of S VLMs on N queries; NaN where unknown.

    Attributes
    ----------
    vlms : tuple of S str
    charged : ndarray of shape (N, S), float64, >= 0
        What an answer cost: what a selection is judged by.
    expected : ndarray of shape (N, S), float64, >= 0
        What a router may know before it chooses, from prices, sizes and the means over the training split: never the
        record of that answer. A column is all NaN or has no NaN.
    sources : dict of str to Source
        By VLM, where its charges come from on the queries whose outcome is known: all recorded, some recorded, all
        estimated, or unknown.
    without_charge : tuple of str
        The VLMs whose charge is unknown on some query whose outcome is known. If there are any, nobody can say what a
        selection from this pool cost.
    """

    vlms: tuple[str, ...]
    charged: NDArray[np.float64]
    expected: NDArray[np.float64]
    sources: dict[str, Source]
    without_charge: tuple[str, ...]

    @property
    def without_expectation(self) -> tuple[str, ...]:
        """The VLMs without an expectation. If there are any, no policy can weigh this pool."""
        return tuple(vlm for vlm, column in zip(self.vlms, self.expected.T, strict=True) if np.isnan(column).any())


@dataclass(frozen=True)
class AnswerPrice:
    """What a router expects one VLM's answer to cost, in USD: a fixed part, and one for each character and image.

    Routers that were saved before images were counted have the price of one image in the fixed part.
    """

    usd_per_answer: float
    usd_per_character: float
    usd_per_image: float = 0.0


def answer_prices(prepared: "Prepared", vlms: Iterable[str], params: CostsParams) -> dict[str, AnswerPrice]:
    """The expected costs of `costs_of` as three numbers for each VLM, to be saved with a router; unknown ones left out.

    Parameters
    ----------
    prepared, vlms, params : as for `costs_of`
    """
    vlms, prompts = tuple(vlms), (np.array([0.0, _THOUSAND, 0.0]), np.array([0.0, 0.0, 1.0]))
    nothing_S, characters_S, image_S = _expected_at(prepared, prompts, vlms, params)
    per_character_S, per_image_S = (characters_S - nothing_S) / _THOUSAND, image_S - nothing_S
    return {
        vlm: AnswerPrice(*price)
        for vlm, *price in zip(vlms, *map(np.ndarray.tolist, (nothing_S, per_character_S, per_image_S)), strict=True)
        if not np.isnan(price[0])
    }


def price_costs(
    vlms: Iterable[str], num_characters_N: ArrayLike, num_images_N: ArrayLike, prices: Mapping[str, AnswerPrice]
) -> NDArray[np.float64]:
    """What S VLMs are expected to cost on N queries by saved prices: shape (N, S), USD; NaN without a price."""
    known = [prices.get(vlm, AnswerPrice(np.nan, np.nan)) for vlm in vlms]
    fixed_S, per_character_S, per_image_S = np.array([astuple(price) for price in known]).reshape(-1, 3).T
    characters_N1, images_N1 = (np.asarray(n, dtype=np.float64)[:, None] for n in (num_characters_N, num_images_N))
    costs: NDArray[np.float64] = fixed_S + characters_N1 * per_character_S + images_N1 * per_image_S
    return costs


def costs_of(prepared: "Prepared", query_ids: Iterable[str], vlms: Iterable[str], params: CostsParams) -> Expenses:
    """What the answers of S VLMs to N queries cost, in USD.

    Expected is the estimate of `estimate_costs`, for each VLM times its mean recorded cost over its mean estimate on
    the training queries with a recorded cost. A VLM without an estimate, or with one of zero, is expected to cost its
    mean recorded cost there. Charged is what is recorded, and elsewhere what was expected.

    Parameters
    ----------
    prepared : Prepared
    query_ids : iterable of str, N of them; may repeat
    vlms : iterable of str, S of them
    params : CostsParams

    Raises
    ------
    ArmsError
        If a query or VLM is not among those of the dataset.
    """
    query_ids, vlms = list(query_ids), tuple(vlms)
    recorded = prepared.cost_matrix(query_ids, vlms).astype(np.float64)
    expected = _expected_at(prepared, _prompts(prepared, query_ids), vlms, params)
    charged = np.where(np.isnan(recorded), expected, recorded)
    return _expenses(prepared, query_ids, vlms, recorded=recorded, charged=charged, expected=expected)


def latencies_of(prepared: "Prepared", query_ids: Iterable[str], vlms: Iterable[str]) -> Expenses:
    """How long the answers of S VLMs to N queries took, in seconds.

    Expected is the VLM's mean on the training split. Charged is what is recorded: nothing is estimated.

    Parameters
    ----------
    prepared, query_ids, vlms : as for `costs_of`

    Raises
    ------
    ArmsError
        If a query or VLM is not among those of the dataset.
    """
    query_ids, vlms = list(query_ids), tuple(vlms)
    train_ids = prepared.split("train")["query_id"].tolist()
    recorded, train_recorded = (prepared.latency_matrix(ids, vlms).astype(np.float64) for ids in (query_ids, train_ids))
    expected = np.tile(_mean(train_recorded, ~np.isnan(train_recorded)), (len(query_ids), 1))
    return _expenses(prepared, query_ids, vlms, recorded=recorded, charged=recorded, expected=expected)


def estimate_costs(
    profiles: Sequence[VlmProfile], num_characters_N: ArrayLike, num_images_N: ArrayLike, params: CostsParams
) -> NDArray[np.float64]:
    """Estimate from prices and token counts what each VLM of a pool costs on each query.

    cost = (price_in * prompt_tokens + price_out * answer_tokens) / 1e6, where prompt_tokens counts the question and its
    images. A free VLM without both prices costs its own compute: a price for each token and parameter. If its size is
    undisclosed, it counts as large as the VLMs of the pool on average.

    Parameters
    ----------
    profiles : sequence of VlmProfile
        The pool, of S VLMs.
    num_characters_N : array of shape (N,)
        Length of each question in characters.
    num_images_N : array of shape (N,)
        How many images each query has.
    params : CostsParams

    Returns
    -------
    ndarray of shape (N, S), float64, USD
        The column of a VLM is NaN if it is paid and a price is unknown, or free and no size in the pool is known.
    """
    prompt_tokens_N = _prompt_tokens(num_characters_N, num_images_N, params)
    price_in_S, price_out_S = np.array([_prices(profile, profiles, params) for profile in profiles]).reshape(-1, 2).T
    return (prompt_tokens_N[:, None] * price_in_S + params.answer_tokens * price_out_S) / _MILLION


def estimate_tokens(num_characters: int, num_images: int, params: CostsParams) -> int:
    """About how many tokens a prompt and its answer have."""
    return round(float(_prompt_tokens(num_characters, num_images, params)) + params.answer_tokens)


def _prompt_tokens(num_characters: ArrayLike, num_images: ArrayLike, params: CostsParams) -> NDArray[np.float64]:
    characters, images = (np.asarray(number, dtype=np.float64) for number in (num_characters, num_images))
    return characters / params.characters_per_token + images * params.image_tokens


def _prices(profile: VlmProfile, pool: Sequence[VlmProfile], params: CostsParams) -> tuple[float, float]:
    """USD per million prompt tokens and output tokens; NaN where unknown."""
    if profile.price_in is not None and profile.price_out is not None:
        return profile.price_in, profile.price_out
    if profile.access == "paid":
        return np.nan, np.nan
    if params.own_compute_usd_per_b == 0:
        return 0.0, 0.0
    sizes = [other.params_b for other in pool if other.params_b is not None]
    size = float(np.mean(sizes)) if profile.params_b is None and sizes else profile.params_b
    own_compute = np.nan if size is None else params.own_compute_usd_per_b * size
    return own_compute, own_compute


def _expected_at(
    prepared: "Prepared", prompts: Prompts, vlms: tuple[str, ...], params: CostsParams
) -> NDArray[np.float64]:
    """What S VLMs are expected to cost on N queries with these numbers of characters and images; see `costs_of`."""
    train_ids = prepared.split("train")["query_id"].tolist()
    pool = [profile.name for profile in prepared.vlms]
    columns = [pool.index(vlm) for vlm in vlms]
    estimate, train_estimate = (
        estimate_costs(prepared.vlms, *of, params)[:, columns] for of in (prompts, _prompts(prepared, train_ids))
    )
    return _scaled(estimate, train_estimate, prepared.cost_matrix(train_ids, vlms).astype(np.float64))


def _prompts(prepared: "Prepared", query_ids: list[str]) -> Prompts:
    """How many characters and images each query has."""
    queries = prepared.queries.set_index("query_id").loc[query_ids]
    return queries["question"].str.len().to_numpy(), queries["images"].str.len().to_numpy()


def _scaled(
    estimate: NDArray[np.float64], train_estimate: NDArray[np.float64], train_recorded: NDArray[np.float64]
) -> NDArray[np.float64]:
    """The estimate, scaled to the mean recorded cost in training; that mean where there is no estimate to scale."""
    known = ~np.isnan(train_recorded)
    mean_recorded, mean_estimate = _mean(train_recorded, known), _mean(train_estimate, known)
    scalable = mean_estimate > 0
    scale = np.divide(mean_recorded, mean_estimate, out=np.ones_like(mean_estimate), where=scalable)
    constant = known.any(axis=0) & ~scalable
    return np.where(constant, mean_recorded, estimate * scale)


def _mean(values: NDArray[np.float64], chosen: NDArray[np.bool_]) -> NDArray[np.float64]:
    """The mean of the chosen values of each column; NaN where none is chosen."""
    count = chosen.sum(axis=0)
    total = np.where(chosen, values, 0.0).sum(axis=0)
    return np.divide(total, count, out=np.full(len(count), np.nan), where=count > 0)


def _expenses(
    prepared: "Prepared",
    query_ids: list[str],
    vlms: tuple[str, ...],
    *,
    recorded: NDArray[np.float64],
    charged: NDArray[np.float64],
    expected: NDArray[np.float64],
) -> Expenses:
    """Put together what is known, and say where it comes from."""
    known = ~np.isnan(prepared.outcome_matrix(query_ids, vlms))
    is_recorded, is_charged = ~np.isnan(recorded), ~np.isnan(charged)
    sources = {vlm: _source(known[:, j], is_recorded[:, j], is_charged[:, j]) for j, vlm in enumerate(vlms)}
    without_charge = tuple(vlm for j, vlm in enumerate(vlms) if (known[:, j] & ~is_charged[:, j]).any())
    return Expenses(vlms, charged, expected, sources, without_charge)


def _source(known: NDArray[np.bool_], is_recorded: NDArray[np.bool_], is_charged: NDArray[np.bool_]) -> Source:
    """Where one VLM's charges come from, N of them."""
    if is_recorded.any():
        return "recorded" if is_recorded[known].all() else "partly recorded"
    return "estimated" if is_charged.any() else "unknown"
