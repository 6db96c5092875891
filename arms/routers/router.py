"""Routing with a trained router: open pictures, estimate costs and rank the pool, for one query or many."""

from collections.abc import Collection, Generator, Iterable, Mapping, Sequence, Sized
from contextlib import closing
from dataclasses import replace
from operator import length_hint
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from arms.data.costs import estimate_costs, estimate_tokens, price_costs
from arms.errors import ArmsError
from arms.features.loader import Queries
from arms.features.online import Item
from arms.params.costs import STANDARD_COSTS, CostsParams
from arms.routers.batches import CACHE_MB, WINDOW_QUERIES, FeatureCache, encode_windows
from arms.routers.hub import Portable
from arms.routers.messages import CONTEXT_TOKENS, pictures_of, read_messages
from arms.routers.origin import Origin
from arms.routers.queries import Query, QueryError, Sources, listed, pair_queries
from arms.routers.route import RankedVlm, Route
from arms.routers.saved import EncodingRouter, ExplainingRouter, load_router
from arms.routers.scored import Scored, Wanted, join_scored
from arms.selection.capabilities import Needs, lacking
from arms.selection.policies import EXPENSES, OVER_ALL_QUERIES
from arms.selection.select import check_is_mapping, ranking

if TYPE_CHECKING:
    from arms.safe.why import Why


class Router(Portable):
    """Routes queries with a trained router.

    Parameters
    ----------
    router : EncodingRouter
        Such as `load_router` gives.
    """

    router: EncodingRouter

    def __init__(self, router: EncodingRouter) -> None:
        self.router = router

    @classmethod
    def load(cls, path: str | Path, *, device: str = "auto") -> "Router":
        """Route with the router in a folder, or at a URL such as s3://bucket/router; raises as `load_router` does."""
        return cls(load_router(path, device=device))

    @property
    def vlms(self) -> tuple[str, ...]:
        """The pool."""
        return self.router.vlms

    @property
    def origin(self) -> Origin | None:
        """The dataset that the router comes from, where that is known."""
        return self.router.origin

    def route(
        self,
        image: Sources = (),
        question: str = "",
        *,
        messages: Sequence[Mapping[str, Any]] | None = None,
        context_tokens: int = CONTEXT_TOKENS,
        exclude: Collection[str] = (),
        policy: Mapping[str, Any] | None = None,
        costs: CostsParams | None = None,
        why: bool = False,
        tools: bool = False,
    ) -> Route:
        """Rank the pool for one query.

        Parameters
        ----------
        image : path, binary file or PIL image, or a sequence of them
            Of more than the router takes (`image.max_images` of its encoders) the first ones count.
        question : str
            May be empty where there is an image: that is then all that is asked. Of a long one only both ends are read
            (see `arms.encoders.long_texts`); what is no character counts as U+FFFD, the replacement character.
        messages : sequence of mapping, optional
            A conversation in the place of image and question, as OpenAI's chat completions take it. What was taken of
            it is in `Route.asked`; see `arms.routers.messages.read_messages`.
        context_tokens : int
            How much of the conversation before the last user turn is read too.
        exclude : names of VLMs in the pool, optional
            These are left out, and the policy chooses among the others.
        policy : mapping, optional
            A selection policy (see `arms.selection.policies`) instead of the router's own, such as
            {"name": "cheapest", "tau": 0.7, "of": "cost"}. Costs are those that the evaluation of the router expects,
            by the costs that its dataset records; latencies are not known here.
        costs : CostsParams, optional
            Estimate costs anew, by these token counts and the prices in the VLMs' profiles. So they are estimated too,
            by `arms.params.costs.STANDARD_COSTS`, if the router does not know its dataset's.
        why : bool
            Say what stands behind the route, in `Route.why`.
        tools : bool
            The VLM has to call tools. A VLM that cannot, or takes fewer images or tokens than the query has, as its
            profile says, is left out, with the reason in `Route.unable`. What a profile does not say is no obstacle.

        Raises
        ------
        ArmsError
            If an image cannot be read, the question is no text, there is neither question nor image, or there are
            messages beside them, `exclude` names an unknown VLM, no VLM is left that can answer, the policy needs
            something unknown (latencies, or the costs of a VLM without prices), or `why` is asked of a router without a
            memory.
        ValueError
            If the policy is unknown or has a wrong setting; see `arms.selection.select`.
        """
        if messages is not None:
            if question or not isinstance(image, Sequence) or image:
                raise ArmsError("expected messages, or image and question, got both")
            asked = read_messages(messages, context_tokens=context_tokens)
            image, question = pictures_of(asked), asked.text
        wanted = self._wanted(exclude, policy, costs, why, tools)
        query = self._checked(Query(0, listed(image), question), wanted)
        read = self.router.encoders.read
        pictures = [Item.of(str(place), *read(source)) for place, source in enumerate(query.sources)]
        scored = self._score(self.router.encode([pictures], [question]), [query], wanted)
        (route,) = self._rank(scored, wanted)
        return route if messages is None else replace(route, asked=asked)

    def route_batch(
        self,
        images: Iterable[Sources],
        questions: Iterable[str],
        *,
        exclude: Collection[str] = (),
        policy: Mapping[str, Any] | None = None,
        costs: CostsParams | None = None,
        why: bool = False,
        tools: bool = False,
        window_queries: int = WINDOW_QUERIES,
        cache_mb: int = CACHE_MB,
        cache: FeatureCache | None = None,
    ) -> Generator[Route]:
        """Rank the pool for any number of queries, and yield each route as soon as it is known, in their order.

        Queries are taken window by window. All cores read the pictures of the next window while this one is routed. A
        picture or a question that comes again is not encoded again, as long as its features are kept. So the memory
        does not grow with the queries, and the routes do not depend on the window.

        Parameters
        ----------
        images : iterable
            For each query what `route` takes: a picture, or a sequence of them, none included. A PIL image or an open
            file may be closed or changed once the next entry is asked for.
        questions : iterable of str
            As many.
        exclude, policy, costs, why, tools
            As for `route`. With mean_budget the choice on a query depends on the others, so that routes come only
            when the last query is scored.
        window_queries : int
            The most queries of a window, and the most pictures, if no single query has more. Two windows are held.
        cache_mb : int
            MiB of features of recent pictures that are kept, and as many of questions and of pairs for a joint encoder.
        cache : FeatureCache, optional
            One that this router's batches share, instead of one for this batch of `cache_mb`.

        Yields
        ------
        Route

        Raises
        ------
        ArmsError, ValueError
            As `route`; of `exclude` and `policy` at once. An error of a query comes after the routes of all queries
            before it, as a `QueryError`, which knows the query's number.
        """
        if window_queries < 1 or cache_mb < 0:
            raise ValueError(
                f"route_batch: expected window_queries >= 1 and cache_mb >= 0, got {window_queries} and {cache_mb}"
            )
        if isinstance(images, Sized) and isinstance(questions, Sized) and len(images) != len(questions):
            raise ArmsError(
                f"expected as many questions as entries of images, got {len(images)} entries and {len(questions)} "
                "questions"
            )
        wanted = self._wanted(exclude, policy, costs, why, tools)
        total = length_hint(images) or length_hint(questions) or None
        queries = (self._checked(query, wanted) for query in pair_queries(images, questions))
        windows = encode_windows(
            queries,
            self.router.encoders,
            self.router.encode,
            window_queries=window_queries,
            cache=FeatureCache(cache_mb) if cache is None else cache,
            total=total,
        )
        return self._route_all(windows, wanted)

    def _route_all(self, windows: Generator[tuple[list[Query], Queries]], wanted: Wanted) -> Generator[Route]:
        """Rank each window as it comes; all at the end if the policy looks at all queries."""
        with closing(windows):
            scored: Iterable[Scored] = (self._score(encoded, queries, wanted) for queries, encoded in windows)
            if wanted.policy.get("name") in OVER_ALL_QUERIES:
                scored = join_scored(scored)
            for window in scored:
                yield from self._rank(window, wanted)

    def _wanted(
        self,
        exclude: Collection[str],
        policy: Mapping[str, Any] | None,
        costs: CostsParams | None,
        why: bool,
        tools: bool,
    ) -> Wanted:
        left = self._without(exclude)
        policy = self.router.policy if policy is None else policy
        check_is_mapping(policy)
        return Wanted(left, policy, costs, why, tools)

    def _checked(self, query: Query, wanted: Wanted) -> Query:
        """The query, if it asks something that a VLM of the pool can answer; else an ArmsError."""
        if not isinstance(query.question, str):
            raise ArmsError(f"question {query.number}: expected text, got {query.question!r:.80}")
        if not query.sources and not query.question.strip():
            raise QueryError(query.number, "expected a question, an image or both, got neither")
        self._able([query], wanted)
        return query

    def _score(self, encoded: Queries, asked: Sequence[Query], wanted: Wanted) -> Scored:
        able, unable = self._able(asked, wanted)
        sizes = [len(query.question) for query in asked], [len(query.sources) for query in asked]
        expected = self._expected_costs(*sizes, wanted.left, wanted.policy, wanted.costs)
        reasons = self._explain(encoded) if wanted.why else [None] * len(asked)
        confidence = self.router.score(encoded)
        if not np.isfinite(confidence).all():
            raise ArmsError("expected confidences from the router, got values that are no numbers; train it anew")
        return Scored(confidence, able, expected, unable, list(reasons))

    def _rank(self, scored: Scored, wanted: Wanted) -> list[Route]:
        confidence, able, expected = scored.confidence, scored.able, scored.expected
        order = ranking(confidence, wanted.policy, self.vlms, able, costs=expected)
        cost = (np.full(confidence.shape, None) if expected is None else expected).tolist()
        return [
            Route(
                # VLMs that are excluded or cannot answer come last, and are cut off.
                tuple(RankedVlm(self.vlms[j], float(confidence[i, j]), cost[i][j]) for j in positions[: able[i].sum()]),
                scored.reasons[i],
                unable=scored.unable[i],
            )
            for i, positions in enumerate(order)
        ]

    def _able(self, asked: Sequence[Query], wanted: Wanted) -> tuple[np.ndarray, list[dict[str, str]]]:
        """Which VLMs can answer each query, bool of shape (N, S), and why others cannot; an ArmsError if none can."""
        estimate = wanted.costs or STANDARD_COSTS
        needs = [
            Needs(len(query.sources), estimate_tokens(len(query.question), len(query.sources), estimate), wanted.tools)
            for query in asked
        ]
        lacks, reasons = lacking(self.router.profiles, needs)
        able = wanted.left & ~lacks
        if not able.any(axis=1).all():
            row = int((~able.any(axis=1)).argmax())
            said = "; ".join(f"{vlm} {reason}" for vlm, reason in reasons[row].items())
            raise QueryError(
                asked[row].number,
                f"expected a VLM of the pool that can answer it, none is left: {said}; ask with less, or "
                "correct the profiles in vlms.yaml",
            )
        names = np.array(self.vlms)[wanted.left].tolist()
        return able, [{vlm: reason for vlm, reason in of.items() if vlm in names} for of in reasons]

    def _explain(self, queries: Queries) -> "Sequence[Why | None]":
        """Why each query goes where it goes; an ArmsError if the router cannot say."""
        if not isinstance(self.router, ExplainingRouter):
            raise ArmsError(
                f"why: expected a router that remembers its training queries, got one of kind "
                f"{type(self.router).__name__}; train one with safe.use: true"
            )
        return self.router.explain(queries)

    def _expected_costs(
        self,
        num_characters: Sequence[int],
        num_images: Sequence[int],
        left: np.ndarray,
        policy: Mapping[str, Any],
        params: CostsParams | None,
    ) -> np.ndarray | None:
        """The expected cost of each VLM on each query, shape (N, S), USD; None if the policy weighs no expense.

        An excluded VLM of unknown cost counts as 0.
        """
        if policy.get("of") not in EXPENSES:
            return None
        where = f"policy {policy.get('name')}"
        if policy["of"] == "latency":
            raise ArmsError(f"{where}: expected of: cost, got latency, which is not known when routing")
        origin = self.router.origin
        if params is None and origin is not None:
            expected = price_costs(self.vlms, num_characters, num_images, origin.prices)
        else:
            expected = estimate_costs(self.router.profiles, num_characters, num_images, params or STANDARD_COSTS)
        unknown = np.isnan(expected).any(axis=0)
        if (unknown & left).any():
            names = ", ".join(np.array(self.vlms)[unknown & left])
            raise ArmsError(
                f"{where}: expected VLMs whose cost can be estimated, got {names}: a paid VLM needs price_in and "
                "price_out, a free one params_b; exclude them, or train a router with these facts in vlms.yaml"
            )
        return np.where(unknown, 0.0, expected)

    def _without(self, exclude: Collection[str]) -> np.ndarray:
        """Which VLMs of the pool are left, bool of shape (S,); an ArmsError if a name is unknown or none is left."""
        names = [exclude] if isinstance(exclude, str) else list(exclude)
        unknown = [name for name in names if name not in self.vlms]
        if unknown:
            raise ArmsError(f"exclude: unknown VLM {', '.join(map(repr, unknown))}; known: {', '.join(self.vlms)}")
        left = np.array([name not in names for name in self.vlms])
        if not left.any():
            raise ArmsError(f"exclude: expected one VLM or more to be left, got all: {', '.join(self.vlms)}")
        return left
