import numpy as np
import pytest

from arms.training.choice import choose_queries
from tests.fakes import NAMES, label, make_queries, make_router, train_params

NAN = np.nan


@pytest.mark.parametrize(
    ("queries", "kept"),
    [("all", [0, 1, 2, 3, 4]), ("answerable", [1, 3])],  # of the base pool, the first two VLMs
)
def test_only_what_the_base_pool_answers(queries, kept):
    outcomes = [[0, 0, 1], [1, 0, 0], [0, NAN, 1], [NAN, 1, NAN], [NAN, NAN, 1]]
    labelled = label(make_queries(5).encode(make_router().encoders), outcomes, NAMES)
    chosen = choose_queries(labelled, NAMES[:2], train_params(queries=queries))
    assert chosen.vlms == NAMES
    np.testing.assert_array_equal(chosen.outcomes, labelled.outcomes[kept])
    assert chosen.queries.ids == tuple(labelled.queries.ids[row] for row in kept)
