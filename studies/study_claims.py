"""ARMS against each variant of a study, all seeds of both, corrected for how many variants the study has."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from arms.data.scores import Scores
from arms.data.splits import TEST_SPLITS
from arms.errors import ArmsError
from arms.evaluation.metrics import round_metrics
from arms.evaluation.seeds import SeedJudge

Json = dict[str, Any]


def pack(correct: np.ndarray) -> str:
    """Who was right on N queries, bool of shape (N,), as hexadecimal digits, four queries a digit."""
    return np.packbits(correct.astype(bool)).tobytes().hex()


def unpack(text: str, count: int, where: str) -> np.ndarray:
    """What `pack` packed, of shape (N,); an ArmsError if that was another number of queries."""
    packed = np.frombuffer(bytes.fromhex(text), dtype=np.uint8)
    if len(packed) != (count + 7) // 8:
        raise ArmsError(
            f"{where}: expected what was right on {count} queries, got some {8 * len(packed)}; "
            "it was judged on other queries; run: dvc repro studies/dvc.yaml"
        )
    return np.unpackbits(packed, count=count).astype(np.float64)


def study_claims(judge: SeedJudge, phi: Sequence[Scores], results: Mapping[str, Json], study: str) -> Json:
    """EM of ARMS minus that of each variant on the base pool: variant -> split -> numbers, all None without queries.

    Parameters
    ----------
    phi : the score tables of Phi, one for each seed
    results : variant -> what `studies.variants` wrote
    study : the study's name, for error messages
    """
    found: Json = {variant: {} for variant in results}
    for split in TEST_SPLITS:
        count = int(judge.counted(split, phi[0].vlms).sum())
        correct = [judge.correct(split, phi)]
        for variant, result in results.items():
            texts = [run["correct"][split] for run in result["runs"]]
            where = f"{study}/{variant}.json.correct.{split}"
            correct.append(np.stack([unpack(text, count, where) for text in texts], axis=1))
        pairs = [(0, place) for place in range(1, len(correct))]
        records = judge.differences(split, phi[0].vlms, correct, pairs).records(["ARMS", *results])
        for record in map(round_metrics, records):
            found[record["other"]][split] = {k: v for k, v in record.items() if k not in ("router", "other")}
    return found
