from arms.evaluation.summary import summary


def test_ten_numbers_of_arms():
    of_pool = {"em": 0.8, "gain": 0.1, "gain_low": 0.0, "gain_high": 0.2, "brier": 0.3}
    made = summary("mine", {split: {"base": of_pool, "extended": of_pool} for split in ("id", "ood")})
    assert made == {
        "data": "mine",
        "id": {
            "base": {"em": 0.8, "gain": 0.1},
            "extended": {"em": 0.8, "gain": 0.1, "gain_low": 0.0, "gain_high": 0.2, "over_knn": None},
        },
        "ood": {"base": {"em": 0.8}, "extended": {"em": 0.8, "gain": 0.1}},
    }
