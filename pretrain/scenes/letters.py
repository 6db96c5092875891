"""A word with a mark around one of its letters."""

from dataclasses import dataclass

import numpy as np

from pretrain.drawing.canvas import Canvas
from pretrain.drawing.colours import COLOURS, draw_distinct
from pretrain.drawing.conditions import Conditions
from pretrain.drawing.figures import place_figure
from pretrain.drawing.fonts import FONTS, Font, text_width
from pretrain.draws import between, pick, pick_other, pick_weighted, whole
from pretrain.facts import Fact, Term, Value, colour
from pretrain.scenes.base import Family, Labels, count_fact
from pretrain.scenes.writing import draw_code, draw_word

_MARKS = {"ring": 0.42, "box": 0.18, "underline": 0.15, "highlight": 0.15, "pointer": 0.1}
_FILL = (0.6, 0.94)  # share of the picture's width that the word takes up
_TALLEST = 0.34
_CODE_SHARE = 0.25
_INK_SHARE = 0.6  # words in black or white; the others have a colour of their own
_WIDTH = 0.013


@dataclass(frozen=True, kw_only=True, slots=True)
class LettersScene:
    """A word about the centre, `height` that of its line; `marked` is the number of its marked letter, from 0."""

    word: str
    marked: int
    mark: str
    mark_colour: str
    colour: str  # of the word; "" for ink
    font: Font
    centre: tuple[float, float]
    height: float

    def paint(self, canvas: Canvas) -> None:
        """Write the word; a highlight goes under it, other marks go over it."""
        pen = canvas.shade(self.mark_colour)
        (left, right), (x, y) = self.span(), self.centre
        half = self.height / 2
        box = np.array([(left, y - 0.8 * half), (right, y - 0.8 * half), (right, y + half), (left, y + half)])
        if self.mark == "highlight":
            canvas.fill(box, canvas.soften(pen, 0.35))
        canvas.text(self.word, (x, y), self.height, self.font, canvas.shade(self.colour) if self.colour else canvas.ink)
        if self.mark == "ring":
            reach = np.array([max(0.75 * (right - left), 0.45 * half), 1.05 * half])
            canvas.close(place_figure("circle", (0, 0), 1.0) * reach + ((left + right) / 2, y), pen, _WIDTH)
        elif self.mark == "box":
            canvas.close(box, pen, _WIDTH)
        elif self.mark == "underline":
            canvas.line(np.array([(left, y + 0.85 * half), (right, y + 0.85 * half)]), pen, 1.5 * _WIDTH)
        elif self.mark == "pointer":
            tip, size = ((left + right) / 2, y - 0.85 * half), 0.5 * half
            corners = np.array([tip, (tip[0] - size / 2, tip[1] - size), (tip[0] + size / 2, tip[1] - size)])
            canvas.fill(corners, pen)

    def span(self) -> tuple[float, float]:
        """The left and right side of the marked letter."""
        start = self.centre[0] - text_width(self.word, self.font) * self.height / 2
        before, upto = (text_width(self.word[:end], self.font) for end in (self.marked, self.marked + 1))
        return start + before * self.height, start + upto * self.height

    def facts(self, rng: np.random.Generator) -> list[Fact]:
        """The marked letter, its mark, and the word."""
        letter, mark = self.word[self.marked], Term("mark", self.mark)
        wrong = pick([other for other in self.word if other != letter] or ["Q"], rng)
        wrong_colour = pick_other(COLOURS, self.mark_colour, rng)
        fields: dict[str, Value] = {"letter": letter, "word": self.word, "mark": mark}
        facts = [
            Fact(name="marked-letter", fields=fields, answer=letter, decoys={"letter": wrong}),
            Fact(
                name="mark-kind",
                fields={"mark": mark, "colour": colour(self.mark_colour)},
                answer=mark,
                decoys={"colour": colour(wrong_colour)},
            ),
            Fact(name="mark-colour", answer=colour(self.mark_colour)),
            Fact(name="text", fields={"text": self.word}, answer=self.word),
            count_fact("text-length", len(self.word), "character", (), rng),
        ]
        place = Term("ordinal", str(self.marked + 1))
        facts.append(Fact(name="marked-place", fields={"place": place}, answer=place))
        if self.colour:
            name = colour(self.colour)
            facts.append(Fact(name="text-colour", fields={"colour": name}, answer=name))
        return facts

    def labels(self) -> Labels:
        """The marked letter and the word."""
        return Labels(letter=self.word[self.marked], word=self.word, length=len(self.word), colour=self.mark_colour)


def draw_letters(conditions: Conditions, rng: np.random.Generator) -> LettersScene:
    """A word as large as there is room for, a long one in a crowded picture."""
    font = pick(FONTS, rng)
    longest = 10 if conditions.crowded else 7
    coded = rng.random() < _CODE_SHARE
    word = draw_code(rng) if coded else draw_word(rng, longest=longest, ascii_only=font.ascii_only)
    names = draw_distinct(conditions.colours, 2, rng)
    height = min(_TALLEST, between(*_FILL, rng) / text_width(word, font))
    width = height * text_width(word, font)
    return LettersScene(
        word=word,
        marked=whole(0, len(word) - 1, rng),
        mark=pick_weighted(_MARKS, rng),
        mark_colour=names[0],
        colour="" if rng.random() < _INK_SHARE else names[1],
        font=font,
        centre=(between(0.03 + width / 2, 0.97 - width / 2, rng), between(0.3, 0.7, rng)),
        height=height,
    )


LETTERS = Family(draw_scene=draw_letters, untold=("stroke",))
