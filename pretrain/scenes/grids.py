"""Grids: how many rows and columns, and what the cells hold."""

from dataclasses import dataclass

import numpy as np

from pretrain.drawing.canvas import Canvas
from pretrain.drawing.colours import draw_distinct
from pretrain.drawing.conditions import Conditions
from pretrain.drawing.figures import place_figure
from pretrain.draws import between, pick, pick_weighted, whole
from pretrain.facts import Fact, Things
from pretrain.scenes.base import Family, Labels, count_fact

_FEW, _MANY = (2, 5), (4, 9)  # rows, and columns
_CONTENTS = {"empty": 0.35, "colours": 0.35, "marks": 0.3}
_MARKS = ("circle", "cross", "star", "heart", "triangle", "diamond")
_MARK_SHARE = 0.36  # radius of a mark, of the cell's smaller side
_FILLED = (0.08, 0.6)  # share of the cells
_FULL = (0.62, 0.96)  # share of the picture, along each axis
_WIDTH = 0.008
_NO_FRAME_SHARE = 0.15


@dataclass(frozen=True, kw_only=True, slots=True)
class GridScene:
    """A grid, some of whose cells hold a colour or a mark.

    Attributes
    ----------
    box : (float, float, float, float)
        Left, top, right and bottom, in units of the picture's side.
    filled : tuple of (int, int)
        Row and column of the cells that are not empty.
    mark : str or None
        The kind of figure in them; None for cells that are coloured in.
    fill, rule : str
        Colours of what is in the cells and of the lines; "" for lines of ink.
    framed : bool
        Whether the grid has lines around it.
    """

    rows: int
    columns: int
    box: tuple[float, float, float, float]
    filled: tuple[tuple[int, int], ...] = ()
    mark: str | None = None
    fill: str = ""
    rule: str = ""
    framed: bool = True

    def paint(self, canvas: Canvas) -> None:
        """Fill the cells, then rule the lines."""
        for row, column in self.filled:
            self._paint_cell(canvas, row, column)
        left, top, right, bottom = self.box
        pen = canvas.shade(self.rule) if self.rule else canvas.ink
        inner = 0 if self.framed else 1
        for y in np.linspace(top, bottom, self.rows + 1)[inner : self.rows + 1 - inner]:
            canvas.line(np.array([(left, y), (right, y)]), pen, _WIDTH)
        for x in np.linspace(left, right, self.columns + 1)[inner : self.columns + 1 - inner]:
            canvas.line(np.array([(x, top), (x, bottom)]), pen, _WIDTH)

    def facts(self, rng: np.random.Generator) -> list[Fact]:
        """Its size, and what is in it."""
        rows, columns = Things(self.rows, "row"), Things(self.columns, "column")
        taller = Things(self.rows + pick((-1, 1), rng), "row")
        facts = [
            Fact(name="grid-size", fields={"rows": rows, "columns": columns}, decoys={"rows": taller}),
            Fact(name="grid-rows", fields={"things": rows}, answer=self.rows),
            Fact(name="grid-columns", fields={"things": columns}, answer=self.columns),
            Fact(name="grid-has-fill", answer=bool(self.filled)),
            count_fact("grid-cells", self.rows * self.columns, "cell", (), rng),
        ]
        if not self.filled:
            return [*facts, Fact(name="grid-blank")]
        num = len(self.filled)
        facts.append(count_fact("grid-filled", num, self.mark or "cell", (self.fill,), rng))
        facts.append(count_fact("grid-filled", self.rows * self.columns - num, "cell", ("empty",), rng))
        if self.mark:
            facts.append(Fact(name="grid-fill", fields={"kind": Things(num, self.mark, (self.fill,))}))
        else:
            facts.append(count_fact("grid-filled", num, "cell", ("filled",), rng))
        return facts

    def labels(self) -> Labels:
        """Its size, and what is in it."""
        return Labels(rows=self.rows, columns=self.columns, count=len(self.filled), colour=self.fill or None)

    def _paint_cell(self, canvas: Canvas, row: int, column: int) -> None:
        left, top, right, bottom = self.box
        width, height = (right - left) / self.columns, (bottom - top) / self.rows
        x, y = left + column * width, top + row * height
        if self.mark:
            centre = (x + width / 2, y + height / 2)
            canvas.fill(place_figure(self.mark, centre, _MARK_SHARE * min(width, height)), canvas.shade(self.fill))
        else:
            corners = np.array([(x, y), (x + width, y), (x + width, y + height), (x, y + height)])
            canvas.fill(corners, canvas.shade(self.fill))


def draw_grid(conditions: Conditions, rng: np.random.Generator) -> GridScene:
    """A grid of few cells, or of many in a crowded picture."""
    low, high = _MANY if conditions.crowded else _FEW
    rows, columns = whole(low, high, rng), whole(low, high, rng)
    width, height = between(*_FULL, rng), between(*_FULL, rng)
    left, top = between(0.02, 0.98 - width, rng), between(0.02, 0.98 - height, rng)
    contents = pick_weighted(_CONTENTS, rng)
    cells: list[tuple[int, int]] = []
    if contents != "empty":
        share = between(*_FILLED, rng)
        chosen = rng.permutation(rows * columns)[: max(1, round(share * rows * columns))]
        cells = [(cell // columns, cell % columns) for cell in chosen.tolist()]
    colours = draw_distinct(conditions.colours, 2, rng)
    return GridScene(
        rows=rows,
        columns=columns,
        box=(left, top, left + width, top + height),
        filled=tuple(cells),
        mark=pick(_MARKS, rng) if contents == "marks" else None,
        fill=colours[0] if cells else "",
        rule=colours[1] if rng.random() < 0.4 else "",
        framed=bool(rng.random() > _NO_FRAME_SHARE),
    )


GRIDS = Family(draw_scene=draw_grid)
