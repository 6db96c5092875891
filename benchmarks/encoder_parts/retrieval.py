"""Image-text retrieval: finding a picture's own caption among those of held-out pictures."""

from dataclasses import dataclass

import numpy as np
from sklearn.cross_decomposition import PLSSVD
from sklearn.decomposition import PCA
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from benchmarks.encoder_parts.pairs import Embeddings


@dataclass(frozen=True)
class Retrieval:
    """Shares of held-out pictures whose own caption ranks first, or among the first ten; of captions likewise.

    Attributes
    ----------
    among : int
        Held-out pictures, and so captions to choose from.
    """

    encoder: str
    caption_first: float
    caption_in_ten: float
    picture_first: float
    picture_in_ten: float
    among: int


def run_retrieval(encoder: str, pair: Embeddings, num_train: int, width: int, seed: int) -> Retrieval:
    """Fit a space that both sides share on the first pictures, and rank among the others.

    Canonical correlation: principal components made white, then the singular vectors of their covariance. What has no
    common space of its own, such as pixels and words, is so compared on the same terms.

    Parameters
    ----------
    width : int
        Components kept of each side, at most.
    """
    whitened = [_whiten(side, num_train, width, seed) for side in (pair.images, pair.texts)]
    shared = min(width // 2, *(side.shape[1] for side in whitened))
    svd = PLSSVD(n_components=shared, scale=False).fit(*(side[:num_train] for side in whitened))
    images, texts = svd.transform(*(side[num_train:] for side in whitened))
    similarity = _unit(images) @ _unit(texts).T
    captions, pictures = _ranks(similarity), _ranks(similarity.T)
    return Retrieval(
        encoder=encoder,
        caption_first=float((captions == 0).mean()),
        caption_in_ten=float((captions < 10).mean()),
        picture_first=float((pictures == 0).mean()),
        picture_in_ten=float((pictures < 10).mean()),
        among=len(similarity),
    )


def _whiten(features: np.ndarray, num_train: int, width: int, seed: int) -> np.ndarray:
    components = min(width, features.shape[1])
    model = make_pipeline(StandardScaler(), PCA(components, whiten=True, random_state=seed))
    return model.fit(features[:num_train]).transform(features)


def _ranks(similarity: np.ndarray) -> np.ndarray:
    """The rank of each row's own column, from 0."""
    own = np.diag(similarity)[:, None]
    return (similarity > own).sum(axis=1)


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True).clip(min=1e-12)
