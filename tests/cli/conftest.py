import pandas as pd
import pytest

from arms.data.tables import OutcomeTables, write_dataset
from tests.fakes import PROFILES, make_queries

MADE = make_queries(6)


@pytest.fixture
def source(tmp_path, monkeypatch):
    """A dataset folder with one unusable query, beside an empty working directory."""
    (tmp_path / "logs/images").mkdir(parents=True)
    rows = []
    for i in range(6):
        image = f"images/{i}.png"
        MADE.pictures[i].save(tmp_path / "logs" / image)
        rows.append((f"q{i}", "dots", "count", "en" if i else "", MADE.questions[i], (image,), None))
    columns = ["query_id", "benchmark", "task", "language", "question", "images", "answer"]
    outcomes = [
        (f"q{i}", profile.name, bool(MADE.outcomes[i, j])) for i in range(6) for j, profile in enumerate(PROFILES)
    ]
    write_dataset(
        OutcomeTables(
            tmp_path / "logs",
            pd.DataFrame(rows, columns=columns),
            pd.DataFrame(outcomes, columns=["query_id", "vlm", "correct"]),
            PROFILES,
        ),
        tmp_path / "logs",
    )
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    return tmp_path / "logs"
