"""Small tables of numbers or words, with headings."""

from dataclasses import dataclass

import numpy as np

from pretrain.drawing.canvas import Canvas
from pretrain.drawing.colours import draw_distinct
from pretrain.drawing.conditions import Conditions
from pretrain.drawing.fonts import PLAIN_FONTS, Font, text_width
from pretrain.draws import between, pick, whole
from pretrain.facts import Fact, Listing, Things, Value
from pretrain.scenes.base import Family, Labels
from pretrain.scenes.writing import draw_name, draw_word

_ROWS, _COLUMNS = {False: (1, 2), True: (2, 3)}, {False: (1, 2), True: (2, 3)}  # without headings, by crowded
_LONGEST = 5  # characters of a word
_NUMBERS_SHARE = 0.75
_LARGEST_NUMBERS = (9, 20, 99)
_ROOM = (0.86, 0.74)  # of a cell's width and height that text may take up
_TALLEST = 0.16
_STYLES = ("ruled", "headed", "banded", "plain")
_WIDTH = 0.007


@dataclass(frozen=True, kw_only=True, slots=True)
class TableScene:
    """A table; `cells` holds the rows with their entries, `headings` one name more than a row has entries.

    Attributes
    ----------
    tint : str
        Colour of the headings' ground, or of every second row's, where the style has one.
    """

    headings: tuple[str, ...]
    names: tuple[str, ...]
    cells: tuple[tuple[str, ...], ...]
    box: tuple[float, float, float, float]
    style: str
    tint: str
    font: Font

    def paint(self, canvas: Canvas) -> None:
        """Tint, rule, then write."""
        left, top, right, bottom = self.box
        rows = [self.headings, *((name, *row) for name, row in zip(self.names, self.cells, strict=True))]
        x, y = np.linspace(left, right, len(self.headings) + 1), np.linspace(top, bottom, len(rows) + 1)
        self._paint_ground(canvas, x, y)
        height = min(
            _TALLEST,
            _ROOM[1] * (y[1] - y[0]),
            _ROOM[0] * (x[1] - x[0]) / max(text_width(text, self.font) for row in rows for text in row),
        )
        for row, across in enumerate(rows):
            for column, text in enumerate(across):
                centre = (float(x[column] + x[column + 1]) / 2, float(y[row] + y[row + 1]) / 2)
                canvas.text(text, centre, float(height), self.font, canvas.ink)

    def facts(self, rng: np.random.Generator) -> list[Fact]:
        """Its size, its headings, and what some of its cells hold."""
        rows, columns = Things(len(self.names) + 1, "row"), Things(len(self.headings), "column")
        facts = [
            Fact(name="table-size", fields={"rows": rows, "columns": columns}),
            Fact(name="table-rows", fields={"things": rows}, answer=rows.count),
            Fact(name="table-columns", fields={"things": columns}, answer=columns.count),
            Fact(name="table-headings", fields={"labels": Listing(self.headings)}, answer=Listing(self.headings)),
            Fact(name="table-entries", fields={"labels": Listing(self.names)}, answer=Listing(self.names)),
        ]
        facts += [self._cell(rng) for _ in range(2)]
        numbers = [int(entry) for row in self.cells for entry in row if entry.isdecimal()]
        if len(numbers) > 1 and numbers.count(max(numbers)) == 1:
            facts.append(self._largest(max(numbers)))
        return facts

    def labels(self) -> Labels:
        """Its size, headings included."""
        return Labels(rows=len(self.names) + 1, columns=len(self.headings))

    def _cell(self, rng: np.random.Generator) -> Fact:
        row, column = whole(0, len(self.names) - 1, rng), whole(0, len(self.headings) - 2, rng)
        entry = self.cells[row][column]
        wrong = [other for line in self.cells for other in line if other != entry]
        value: Value = int(entry) if entry.isdecimal() else entry
        return Fact(
            name="table-cell",
            fields={"row": self.names[row], "column": self.headings[column + 1], "value": entry},
            answer=value,
            decoys={"value": pick(wrong, rng)} if wrong else {},
        )

    def _largest(self, value: int) -> Fact:
        row = next(number for number, entries in enumerate(self.cells) if str(value) in entries)
        column = self.headings[self.cells[row].index(str(value)) + 1]
        return Fact(
            name="table-largest", fields={"value": value, "row": self.names[row], "column": column}, answer=value
        )

    def _paint_ground(self, canvas: Canvas, x: np.ndarray, y: np.ndarray) -> None:
        """What the style puts under the text."""
        tint = canvas.soften(canvas.shade(self.tint), 0.65)
        banded = range(0, len(y) - 1, 2) if self.style == "banded" else range(1) if self.style == "headed" else ()
        for row in banded:
            corners = [(x[0], y[row]), (x[-1], y[row]), (x[-1], y[row + 1]), (x[0], y[row + 1])]
            canvas.fill(np.array(corners), tint)
        ruled = {"ruled": range(len(y)), "headed": range(2), "banded": (), "plain": (1,)}[self.style]
        for row in ruled:
            canvas.line(np.array([(x[0], y[row]), (x[-1], y[row])]), canvas.ink, _WIDTH)
        for column in range(len(x)) if self.style == "ruled" else ():
            canvas.line(np.array([(x[column], y[0]), (x[column], y[-1])]), canvas.ink, _WIDTH)


def draw_table(conditions: Conditions, rng: np.random.Generator) -> TableScene:
    """A few cells, or more of them in a crowded picture."""
    num_rows, num_columns = whole(*_ROWS[conditions.crowded], rng), whole(*_COLUMNS[conditions.crowded], rng)
    words = _distinct_words(num_rows + num_columns + 1, rng)
    highest = pick(_LARGEST_NUMBERS, rng)
    numbers = rng.random() < _NUMBERS_SHARE
    cells = tuple(
        tuple(str(whole(0, highest, rng)) if numbers else draw_word(rng, longest=_LONGEST) for _ in range(num_columns))
        for _ in range(num_rows)
    )
    width, height = between(0.75, 0.96, rng), between(0.16, 0.24, rng) * (num_rows + 1)
    height = min(height, 0.94)
    left, top = between(0.02, 0.98 - width, rng), between(0.03, 0.97 - height, rng)
    return TableScene(
        headings=tuple(words[: num_columns + 1]),
        names=tuple(words[num_columns + 1 :]),
        cells=cells,
        box=(left, top, left + width, top + height),
        style=pick(_STYLES, rng),
        tint=draw_distinct(conditions.colours, 1, rng)[0],
        font=pick(PLAIN_FONTS, rng),
    )


def _distinct_words(num: int, rng: np.random.Generator) -> list[str]:
    """Short words and names, none of them twice."""
    words: list[str] = []
    while len(words) < num:
        word = draw_name(rng) if rng.random() < 0.4 else draw_word(rng, longest=_LONGEST)
        words += [word] if word.lower() not in (known.lower() for known in words) else []
    return words


TABLES = Family(draw_scene=draw_table, fine=True)
