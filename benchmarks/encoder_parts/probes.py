"""Linear probes: what of a drawn picture can be read from its embedding by a linear map."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

_PROBED = (
    "count", "colour", "kind", "place", "contact", "crosses", "crossings", "rows", "columns", "depth", "routes",
    "letter", "length", "chart", "texture", "quality",
)  # fmt: skip
_RARE = 10  # values that come less often among the pictures learnt from are left out


@dataclass(frozen=True)
class Probe:
    """One attribute read from the embeddings of one encoder.

    Attributes
    ----------
    accuracy, majority : float
        Share of held-out pictures told right, by the probe and by always naming the most frequent value.
    values, pictures : int
        Values to choose among, and held-out pictures that have one.
    """

    attribute: str
    encoder: str
    accuracy: float
    majority: float
    values: int
    pictures: int


def probe_labels(labels: Mapping[str, list[Any]], families: list[str]) -> dict[str, list[Any]]:
    """The attributes to probe, by name; None where one does not apply to a picture."""
    initials = [word[0].upper() if word else None for word in labels["word"]]
    return {"family": families, **{name: labels[name] for name in _PROBED}, "first letter of a word": initials}


def run_probe(
    attribute: str, encoder: str, features: np.ndarray, labels: list[Any], num_train: int, seed: int
) -> Probe | None:
    """Fit on the first pictures, judge on the others.

    Parameters
    ----------
    features : ndarray of shape (N, D)
    labels : list of N values
        None where the attribute does not apply.
    num_train : int
        Pictures to fit on.

    Returns
    -------
    Probe or None
        None where fewer than two values come often enough.
    """
    known = np.array([label is not None for label in labels])
    texts = np.array([str(label) for label in labels])
    frequent = {text for text, count in Counter(texts[:num_train][known[:num_train]]).items() if count >= _RARE}
    if len(frequent) < 2:
        return None
    kept = known & np.isin(texts, list(frequent))
    first = np.arange(len(labels)) < num_train
    train, test = np.flatnonzero(kept & first), np.flatnonzero(kept & ~first)
    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=300, random_state=seed))
    model.fit(features[train], texts[train])
    most_frequent = Counter(texts[train]).most_common(1)[0][0]
    return Probe(
        attribute=attribute,
        encoder=encoder,
        accuracy=float(model.score(features[test], texts[test])),
        majority=float((texts[test] == most_frequent).mean()),
        values=len(frequent),
        pictures=len(test),
    )
