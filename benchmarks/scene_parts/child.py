"""One run of the benchmark of scenes, in a process of its own: ``child SIZE COPIES SIMILARITY WAY FILE``."""

import json
import sys
import time
from pathlib import Path

import numpy as np

from arms.data import scenes
from benchmarks.peak import peak_mib
from benchmarks.scenes import ALL_PAIRS

_SIDE, _COARSE = 32, 6  # pixels of a thumbnail; cells of the random field behind it


def made_up(size: int, copies: int) -> list[bytes]:
    """Thumbnails of smooth random fields; the copies of one differ by a little noise."""
    rng = np.random.default_rng(0)
    enlarge = np.stack(
        [np.interp(np.linspace(0, _COARSE - 1, _SIDE), np.arange(_COARSE), row) for row in np.eye(_COARSE)]
    )
    thumbnails: list[bytes] = []
    for start in range(0, size, 10_000 * copies):
        count = min(10_000, -(-(size - start) // copies))
        fields = np.einsum("nij,ip,jq->npq", rng.uniform(0, 255, (count, _COARSE, _COARSE)), enlarge, enlarge)
        for _ in range(copies):
            noisy = fields + rng.normal(0, 2, fields.shape)
            thumbnails += [one.tobytes() for one in noisy.clip(0, 255).astype(np.uint8)]
    return thumbnails[:size]


def main() -> None:
    """Write time, memory and counts as JSON."""
    size, copies, similarity, way, file = sys.argv[1:]
    thumbnails = made_up(int(size), int(copies))
    scenes._EXACT = sys.maxsize if way == ALL_PAIRS else 0
    start = time.perf_counter()
    labels = scenes.near_copies(thumbnails, float(similarity))
    wall_s = time.perf_counter() - start
    content = {
        "wall_s": wall_s,
        "peak_gib": peak_mib() / 1024,
        "scenes": len(np.unique(labels)),
        "true_scenes": -(-int(size) // int(copies)),
    }
    Path(file).write_text(json.dumps(content))


if __name__ == "__main__":
    main()
