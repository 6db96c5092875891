from arms.reports.curve_figure import learning_curve

CURVE = {
    "queries": [9, 18, 36],
    "best_single_em": 0.6,
    "routers": {
        name: [{"em": em - less, "em_by_draw": [em, em - 2 * less]} for em in (0.5, 0.6, 0.65)]
        for name, less in (("arms", 0.0), ("knn", 0.05))
    },
}


def test_the_same_curve_gives_the_same_png(tmp_path):
    for name in "ab":
        learning_curve(CURVE, tmp_path / f"{name}.png")
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    learning_curve(CURVE | {"best_single_em": None}, tmp_path / "c.png")
    assert (tmp_path / "a.png").read_bytes() != (tmp_path / "c.png").read_bytes()


def test_nothing_to_judge_on(tmp_path):
    none = [{"em": None, "em_by_draw": [None]}] * 3
    learning_curve(CURVE | {"routers": {"arms": none}}, tmp_path / "a.png")
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
