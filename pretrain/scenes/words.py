"""Words, codes, numbers and short notes in many fonts, on one or several lines."""

import string
from dataclasses import dataclass

import numpy as np

from pretrain.drawing.canvas import Canvas
from pretrain.drawing.colours import COLOURS, draw_distinct
from pretrain.drawing.conditions import Conditions
from pretrain.drawing.fonts import FONTS, Font, text_width
from pretrain.draws import between, pick, pick_other, pick_weighted
from pretrain.facts import Fact, Term, colour
from pretrain.scenes.base import Family, Labels, count_fact
from pretrain.scenes.writing import draw_code, draw_name, draw_note, draw_number, draw_word

_SORTS = {"word": 0.5, "code": 0.14, "number": 0.18, "note": 0.12, "name": 0.06}
_LINES = {False: {1: 0.8, 2: 0.2}, True: {1: 0.25, 2: 0.3, 3: 0.3, 4: 0.15}}  # by crowded
_FILL = (0.55, 0.95)  # share of the picture's width that the longest line takes up
_TALLEST = 0.42
_TURNED_SHARE, _TURN = 0.15, (-35.0, 35.0)
_INK_SHARE = 0.4
_PLATE_SHARE = 0.2  # texts on a plate, like a sign


@dataclass(frozen=True, kw_only=True, slots=True)
class WordsScene:
    """Lines of text about a centre, `height` that of one; turned by `turn` degrees clockwise."""

    lines: tuple[str, ...]
    sort: str
    font: Font
    colour: str  # "" for ink
    centre: tuple[float, float]
    height: float
    turn: float = 0.0
    plate: bool = False

    def paint(self, canvas: Canvas) -> None:
        """Write the lines under each other."""
        turn = np.radians(self.turn)
        down, across = np.array([-np.sin(turn), np.cos(turn)]), np.array([np.cos(turn), np.sin(turn)])
        pen = canvas.shade(self.colour) if self.colour else canvas.ink
        if self.plate:
            half_width = self.height * (max(text_width(line, self.font) for line in self.lines) / 2 + 0.1)
            half_height = self.height * (len(self.lines) / 2 + 0.05)
            sides = ((-1, -1), (1, -1), (1, 1), (-1, 1))
            corners = [self.centre + x * half_width * across + y * half_height * down for x, y in sides]
            canvas.close(np.array(corners), pen, 0.014)
        for number, line in enumerate(self.lines):
            place = self.centre + (number - (len(self.lines) - 1) / 2) * self.height * down
            canvas.text(line, (float(place[0]), float(place[1])), self.height, self.font, pen, self.turn)

    def facts(self, rng: np.random.Generator) -> list[Fact]:
        """What is written, and in what manner."""
        style = Term("style", self.font.style)
        facts = [
            *(self._of_word(rng) if len(self.lines) == 1 else self._of_lines(rng)),
            Fact(name="text-style", fields={"style": style}, answer=style),
            count_fact("count-some", len(self.lines), "textline", (), rng),
        ]
        if self.colour:
            wrong = colour(pick_other(COLOURS, self.colour, rng))
            name = colour(self.colour)
            facts.append(Fact(name="text-colour", fields={"colour": name}, answer=name, decoys={"colour": wrong}))
        if all(line.isupper() or line.islower() for line in self.lines) and len({*map(str.isupper, self.lines)}) == 1:
            case = Term("case", "upper" if self.lines[0].isupper() else "lower")
            facts.append(Fact(name="text-case", fields={"case": case}, answer=case))
        facts.append(Fact(name="text-sort", answer=all(line.isdecimal() for line in self.lines)))
        return facts

    def labels(self) -> Labels:
        """The only word, and the number of lines."""
        only = self.lines[0] if len(self.lines) == 1 else None
        return Labels(count=len(self.lines), word=only, length=len(only) if only else None, colour=self.colour or None)

    def _of_word(self, rng: np.random.Generator) -> list[Fact]:
        text = self.lines[0]
        sought = pick(text if rng.random() < 0.5 else string.ascii_uppercase, rng)
        sort = "digit" if text.isdecimal() else "letter" if text.isalpha() else "character"
        decoys = {"text": _draw_line(self.sort, self.font, rng)}
        return [
            Fact(name="text", fields={"text": text}, answer=text, decoys=decoys if decoys["text"] != text else {}),
            count_fact("text-length", len(text), sort, (), rng),
            Fact(name="initial", fields={"letter": text[0]}, answer=text[0], told=len(text) > 1),
            Fact(name="final", fields={"letter": text[-1]}, answer=text[-1], told=len(text) > 1),
            Fact(name="contains", fields={"letter": sought}, answer=sought in text),
        ]

    def _of_lines(self, rng: np.random.Generator) -> list[Fact]:
        whole_text = " ".join(self.lines)
        return [Fact(name="text", fields={"text": whole_text}, answer=whole_text)] + [
            Fact(name="text-of-line", fields={"text": text, "place": Term("ordinal", str(number))}, answer=text)
            for number, text in enumerate(self.lines, start=1)
        ]


def draw_words(conditions: Conditions, rng: np.random.Generator) -> WordsScene:
    """One or two lines, or up to four in a crowded picture, as large as there is room for."""
    font, sort = pick(FONTS, rng), pick_weighted(_SORTS, rng)
    num = pick_weighted(_LINES[conditions.crowded], rng)
    lines = tuple(_draw_line(sort, font, rng) for _ in range(num))
    turned = num == 1 and rng.random() < _TURNED_SHARE
    longest = max(text_width(line, font) for line in lines)
    height = min(_TALLEST, between(*_FILL, rng) / longest, 0.9 / num) * (0.85 if turned else 1.0)
    width, tall = height * longest, height * num
    plate = bool(rng.random() < _PLATE_SHARE)
    room_x, room_y = max(0.0, 0.9 - width) / 2, max(0.0, 0.9 - (width if turned else tall)) / 2
    return WordsScene(
        lines=lines,
        sort=sort,
        font=font,
        colour="" if rng.random() < _INK_SHARE else draw_distinct(conditions.colours, 1, rng)[0],
        centre=(0.5 + between(-room_x, room_x, rng), 0.5 + between(-room_y, room_y, rng)),
        height=height * (0.92 if plate else 1.0),
        turn=between(*_TURN, rng) if turned else 0.0,
        plate=plate,
    )


def _draw_line(sort: str, font: Font, rng: np.random.Generator) -> str:
    """A line of the given sort that the font can write."""
    if sort == "word":
        return draw_word(rng, ascii_only=font.ascii_only)
    line = {"code": draw_code, "number": draw_number, "note": draw_note, "name": draw_name}[sort](rng)
    while font.ascii_only and not line.isascii():
        line = draw_note(rng)
    return line


WORDS = Family(draw_scene=draw_words, untold=("stroke",))
