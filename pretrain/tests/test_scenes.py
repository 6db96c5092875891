"""Hand-made scenes: what is said of them is true, and the drawing shows it."""

import numpy as np
import pytest

from pretrain.drawing.fonts import PLAIN_FONTS
from pretrain.facts import Term, Things, Value, colour
from pretrain.scenes.base import Labels, Scene
from pretrain.scenes.charts import ChartScene
from pretrain.scenes.crossings import CrossingsScene, Line
from pretrain.scenes.grids import GridScene
from pretrain.scenes.letters import LettersScene
from pretrain.scenes.nested import NestedScene
from pretrain.scenes.paths import PathsScene, Route
from pretrain.scenes.positions import PositionsScene, direction
from pretrain.scenes.shapes import Mark, ShapesScene
from pretrain.scenes.tables import TableScene
from pretrain.scenes.textures import TextureScene
from pretrain.scenes.words import WordsScene
from pretrain.tests.pictures import paint

SANS = PLAIN_FONTS[0]


def answers(scene: Scene, name: str, **fields: Value) -> set[object]:
    """Answers to the facts of that name with those fields, over many draws of what is asked."""
    facts = [fact for seed in range(40) for fact in scene.facts(np.random.default_rng(seed))]
    return {fact.answer for fact in facts if fact.name == name and fields.items() <= dict(fact.fields).items()}


def mark(kind: str, name: str, x: float, y: float, radius: float = 0.1) -> Mark:
    return Mark(kind=kind, colour=name, x=x, y=y, radius=radius)


class TestHandMadeScenes:
    """Answers and labels worked out by hand."""

    def test_shapes(self) -> None:
        scene = ShapesScene(
            (mark("star", "red", 0.2, 0.2), mark("star", "blue", 0.5, 0.5), mark("heart", "red", 0.8, 0.8)), "scattered"
        )
        assert scene.labels() == Labels(count=3, colour="red", kind="star")
        assert answers(scene, "count-all") == {3}
        assert answers(scene, "count-some", things=Things(2, "star")) == {2}
        assert answers(scene, "count-some", things=Things(1, "star", ("blue",))) == {1}
        assert answers(scene, "variety", things=Things(2, "colour")) == {2}
        assert answers(scene, "exists", a=mark("heart", "red", 0, 0).thing()) == {True}
        assert answers(scene, "most-colour") == {colour("red")}

    def test_positions(self) -> None:
        ball, arrow = mark("circle", "green", 0.15, 0.2), mark("arrow", "black", 0.82, 0.5)
        scene = PositionsScene((ball, arrow))
        assert answers(scene, "where", a=ball.thing()) == {Term("place", "top-left")}
        assert answers(scene, "leftmost") == answers(scene, "topmost") == {ball.thing()}
        assert answers(scene, "further-left") == {ball.thing()}
        assert scene.labels().place is None
        assert PositionsScene((arrow,)).labels() == Labels(count=1, colour="black", kind="arrow", place="right")

    @pytest.mark.parametrize(
        ("right", "down", "name"),
        [(-0.5, 0.0, "left"), (0.3, 0.3, "bottom-right"), (0.02, -0.4, "top"), (0.14, 0.4, None), (0.0, 0.0, None)],
    )
    def test_directions(self, right: float, down: float, name: str | None) -> None:
        assert direction(right, down) == name

    def test_crossings(self) -> None:
        lines = (Line(np.array([[0.0, 0.0], [1.0, 1.0]]), "red"), Line(np.array([[0.0, 1.0], [1.0, 0.0]]), "blue"))
        scene = CrossingsScene(lines, "straight", 1)
        assert scene.labels() == Labels(count=2, crossings=1, crosses=True)
        assert answers(scene, "crossings") == {1}
        assert answers(scene, "crosses") == {True}
        assert answers(CrossingsScene(lines, "straight", 0), "crosses") == {False}

    def test_grids(self) -> None:
        scene = GridScene(rows=2, columns=3, box=(0.1, 0.1, 0.9, 0.9), filled=((0, 0), (1, 2)), fill="green")
        assert scene.labels() == Labels(rows=2, columns=3, count=2, colour="green")
        assert answers(scene, "grid-cells") == {6}
        assert answers(scene, "grid-filled", things=Things(4, "cell", ("empty",))) == {4}
        pixels = paint(scene)
        places = [(0.3 + 0.4 * row, 0.1 + 0.8 * (column + 0.5) / 3) for row in range(2) for column in range(3)]
        shades = [pixels[round(128 * y), round(128 * x)] for y, x in places]
        green = [bool(shade[1] > shade[0] + 40) for shade in shades]
        assert green == [True, False, False, False, False, True]

    def test_nested(self) -> None:
        marks = (mark("square", "red", 0.5, 0.5, 0.4), mark("circle", "blue", 0.5, 0.5, 0.2))
        scene = NestedScene(marks, shifted=False)
        assert scene.labels() == Labels(depth=2)
        assert answers(scene, "outermost") == {scene.marks[0].thing()}
        assert answers(scene, "depth") == {2}

    def test_paths(self) -> None:
        points = np.array([[0.2, 0.2], [0.8, 0.2], [0.5, 0.8]])
        routes = (((0, 1), "red", -0.05), ((0, 1), "blue", 0.05), ((1, 2), "blue", 0.0))
        scene = PathsScene(points, ("A", "B", "C"), tuple(Route(*route, angular=False) for route in routes), SANS)
        assert scene.labels() == Labels(count=3, routes=3, colour="blue")
        assert answers(scene, "routes-between", p="B", q="A") == answers(scene, "leaving", p="A") == {2}
        assert answers(scene, "routes-between", p="A", q="C") == {0}
        assert answers(scene, "linked", p="C", q="A") == {False}
        assert answers(scene, "route-colour", p="C", q="B") == {colour("blue")}
        assert answers(scene, "busiest") == {"B"}

    def test_letters_and_words(self) -> None:
        word = LettersScene(
            word="Lamp",
            marked=2,
            mark="ring",
            mark_colour="red",
            colour="",
            font=SANS,
            centre=(0.5, 0.5),
            height=0.3,
        )
        assert word.labels() == Labels(letter="m", word="Lamp", length=4, colour="red")
        assert answers(word, "marked-letter") == {"m"}
        left, right = word.span()
        red = paint(word)
        columns = np.flatnonzero(((red[..., 0] - red[..., 1]) > 80).any(axis=0)) / 128
        assert columns.min() < left < right < columns.max()
        lines = WordsScene(lines=("ab", "12"), sort="code", font=SANS, colour="blue", centre=(0.5, 0.5), height=0.2)
        assert lines.labels() == Labels(count=2, colour="blue")
        assert answers(lines, "text-of-line") == {"ab", "12"}

    def test_charts(self) -> None:
        chart = ChartScene(
            kind="columns",
            names=("X", "Y", "Z"),
            values=(3, 9, 6),
            colours=("red", "red", "red"),
            top=10,
            font=SANS,
            printed=True,
        )
        assert chart.labels() == Labels(chart="columns", count=3, largest="Y", colour="red")
        assert answers(chart, "chart-smallest") == {"X"}
        assert answers(chart, "chart-value", label="Z") == {6}
        assert chart.trend() == "mixed"
        red = ((paint(chart)[..., 0] - paint(chart)[..., 1]) > 80).sum(axis=0)
        thirds = [part.max() for part in np.split(red[22:124], 3)]
        np.testing.assert_allclose(np.array(thirds) / thirds[1], [3 / 9, 1, 6 / 9], atol=0.06)

    def test_tables(self) -> None:
        table = TableScene(
            headings=("Name", "Age", "Size"),
            names=("Bo", "Al"),
            cells=(("7", "12"), ("9", "3")),
            box=(0.1, 0.1, 0.9, 0.9),
            style="ruled",
            tint="red",
            font=SANS,
        )
        assert table.labels() == Labels(rows=3, columns=3)
        assert answers(table, "table-cell", row="Al", column="Age") == {9}
        assert answers(table, "table-largest", row="Bo", column="Size") == {12}

    def test_textures(self) -> None:
        stripes = TextureScene(texture="stripes", colours=("white", "black"), way="vertical", grain="coarse", number=4)
        assert stripes.labels() == Labels(texture="stripes")
        assert answers(stripes, "count-some") == {4}
        row = paint(stripes)[64].sum(axis=1) < 380
        assert np.count_nonzero(np.diff(row.astype(int)) == 1) == 4
