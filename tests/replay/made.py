"""Logs of a gateway of three VLMs, made up for tests."""

import json
from datetime import timedelta
from pathlib import Path

import numpy as np
from scipy.special import expit

from arms.traffic.store import open_store
from arms.traffic.tables import ANSWERS, DECISIONS, FEEDBACK
from tests.serve.memory.made import START, answer, decision, feedback

VLMS = ("small", "large", "other")
COSTS = (0.001, 0.01, 0.003)


def write_traffic(
    file: Path,
    decisions: int,
    explore: float,
    *,
    shadow: str | None = None,
    silent: float = 0.0,
    seed: int = 0,
    day: int = 0,
) -> np.ndarray:
    """Write requests as a gateway records them; what each VLM would have answered, right or wrong, (N, 3).

    The VLM of the highest confidence is the best. Of a share `silent` of the answers of `small` nobody says anything.
    """
    rng = np.random.default_rng(seed)
    confidence = expit(rng.normal(0.5, 1.5, size=(decisions, len(VLMS))))
    right = rng.random(confidence.shape) < confidence
    greedy = confidence.argmax(axis=1)
    chosen = np.where(rng.random(decisions) < explore, rng.integers(len(VLMS), size=decisions), greedy)

    made, ends, said = [], [], []
    for row in range(decisions):
        at = greedy[row] if shadow is None else VLMS.index(shadow)
        at, own = (chosen[row], greedy[row]) if shadow is None else (at, greedy[row])
        chance = 1.0 if shadow else explore / len(VLMS) + (1 - explore) * (at == own)
        request_id = f"{day}.{row}"
        one = decision(
            request_id,
            images=(f"picture {seed} {row}".encode(),),
            time=START + timedelta(days=day, seconds=row),
            confidences=dict(zip(VLMS, confidence[row].tolist(), strict=True)),
            chosen=VLMS[at],
            greedy=VLMS[own],
            propensity=chance,
            reason="shadow" if shadow else "policy" if at == own else "explore",
            policy=json.dumps({"name": "argmax"}),
        )
        made.append({name: value for name, value in vars(one).items() if name not in ("question", "images")})
        ends.append(vars(answer(request_id, vlm=VLMS[at], cost_usd=COSTS[at])) | {"output": None})
        if at or rng.random() >= silent:
            said.append(vars(feedback(request_id, bool(right[row, at]))))
    store = open_store(str(file), make=True)
    with store.transaction("written") as connection:
        for table, rows in ((DECISIONS, made), (ANSWERS, ends), (FEEDBACK, said)):
            connection.execute(table.insert(), rows)
    store.close()
    return right
