"""A router's model card, in the form of the Hugging Face Hub: what it knows, where it comes from, how good it was."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from huggingface_hub import EvalResult, ModelCard, ModelCardData

from arms.data.costs import price_costs
from arms.data.profiles import VlmProfile
from arms.routers.origin import Origin

CARD = "README.md"
_SPLITS = {"id": "in distribution", "ood": "out of distribution"}
_CHARACTERS = 50  # of the question whose expected cost is shown

Metrics = Mapping[str, Mapping[str, Any]]  # split -> name -> value, of one pool


class Known(Protocol):
    """What a card says of a router."""

    @property
    def profiles(self) -> tuple[VlmProfile, ...]:
        """The pool."""

    @property
    def origin(self) -> Origin | None:
        """Where the router comes from."""


def model_card(router: Known, name: str, *, metrics: Metrics | None = None, commit: str | None = None) -> ModelCard:
    """Write the card of a router.

    Parameters
    ----------
    router : Known
    name : str
        What the card calls it.
    metrics : mapping, optional
        How it was judged: split -> the metrics of its pool, as in metrics/<router>.json. A split without an answerable
        query is left out.
    commit : str, optional
        The commit of the project that it was made by.
    """
    judged = {split: of for split, of in (metrics or {}).items() if split in _SPLITS and of.get("em") is not None}
    results = [] if router.origin is None else _results(router.origin.data, judged)
    data = ModelCardData(
        library_name="arms",
        pipeline_tag="visual-question-answering",
        tags=["arms", "router", "vision-language-models"],
        model_name=name if results else None,
        eval_results=results or None,
    )
    sections = [_head(name), _use(), _pool(router), _origin(router.origin, commit), _quality(judged)]
    return ModelCard(f"---\n{data.to_yaml()}\n---\n\n" + "\n\n".join(sections) + "\n")


def _results(dataset: str, judged: Metrics) -> list[EvalResult]:
    return [
        EvalResult(
            task_type="visual-question-answering",
            dataset_type=dataset,
            dataset_name=dataset,
            dataset_split=split,
            metric_type="exact_match",
            metric_name="EM: share of answerable queries whose selected VLM was right",
            metric_value=of["em"],
        )
        for split, of in judged.items()
    ]


def _head(name: str) -> str:
    return (
        f"# {_plain(name)}\n\nA router for vision-language models (VLMs), made with ARMS: it receives a question with "
        "any number of images, or only these, says for each VLM of its pool how likely that VLM is to answer "
        "correctly, and picks one."
    )


def _use() -> str:
    return """## Use

```python
from arms import Router

router = Router.from_pretrained("a folder, or the name on the hub", revision="the commit, 40 digits, for the hub")
print(router.route("photo.png", "How many chairs are there?").vlm)
```"""


def _pool(router: Known) -> str:
    prices = {} if router.origin is None else router.origin.prices
    costs = price_costs([vlm.name for vlm in router.profiles], [_CHARACTERS], [1], prices)[0].tolist()
    rows = [
        (vlm.name, vlm.provider or "-", vlm.access, "-" if cost != cost else f"{cost:.2g}")
        for vlm, cost in zip(router.profiles, costs, strict=True)
    ]
    head = (
        "VLM",
        "provider",
        "access",
        f"expected cost of an answer, USD ({_CHARACTERS} characters and an image asked)",
    )
    return f"## Pool\n\n{_table([head, *rows])}"


def _origin(origin: Origin | None, commit: str | None) -> str:
    if origin is None:
        return "## Where it comes from\n\nThe router does not say which dataset it was made on."
    splits = ", ".join(f"{name} {count:,}" for name, count in origin.splits.items())
    lines = [
        f"- Dataset: {_plain(origin.data)}; queries: {splits}.",
        f"- It has learnt from {' and '.join(origin.learnt_from)}, and was calibrated on val.",
        f"- Division of the queries: sha256 {origin.split_sha256}.",
    ]
    if commit is not None:
        lines.append(f"- Commit of the project: {commit}.")
    return "## Where it comes from\n\n" + "\n".join(lines)


def _quality(judged: Metrics) -> str:
    if not judged:
        return "## How good it was\n\nNo metrics are known."
    head = ("test split", "EM", "95 % interval", "best single VLM", "gain", "95 % interval", "queries")
    rows = [
        (
            _SPLITS[split],
            f"{of['em']:.3f}",
            f"{of['em_low']:.3f} to {of['em_high']:.3f}",
            f"{of['best_single_em']:.3f}",
            f"{of['gain']:+.3f}",
            f"{of['gain_low']:+.3f} to {of['gain_high']:+.3f}",
            f"{of['queries']:,}",
        )
        for split, of in judged.items()
    ]
    note = (
        "EM is the share of answerable queries whose selected VLM was right; gain is over always asking the best VLM."
    )
    return f"## How good it was\n\n{_table([head, *rows])}\n\n{note}"


def _table(rows: Sequence[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(map(_plain, row)) + " |" for row in rows]
    return "\n".join([lines[0], "|" + "---|" * len(rows[0]), *lines[1:]])


def _plain(text: str) -> str:
    """Text that Markdown and HTML leave as it is, on one line."""
    return re.sub(r"([\\`*_{}\[\]<>|#])", r"\\\1", " ".join(text.split()))
