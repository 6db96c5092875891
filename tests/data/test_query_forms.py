"""The forms of queries."""

import pandas as pd
import pytest

from arms.data.query_forms import query_forms


@pytest.mark.parametrize(
    ("images", "question", "form"),
    [
        (("a.png",), "What?", "one image"),
        (("a.png", "b.png"), "What?", "several images"),
        (("a.png", "a.png"), "What?", "several images"),
        ((), "What?", "no image"),
        (("a.png",), "", "no question"),
        (("a.png", "b.png"), " \n", "no question"),
    ],
)
def test_each(images: tuple[str, ...], question: str, form: str) -> None:
    queries = pd.DataFrame({"images": [images, ("b.png",)], "question": [question, "Why?"]})
    assert query_forms(queries).tolist() == [form, "one image"]


def test_no_queries() -> None:
    assert len(query_forms(pd.DataFrame({"images": [], "question": []}, dtype=object))) == 0
