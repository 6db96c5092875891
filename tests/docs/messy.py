"""An evaluation as a spreadsheet exports it: 600 questions, five VLMs, and all that goes wrong in such files."""

import csv
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

SHEET, PICTURES = "auswertung.csv", "bilder"
ELSEWHERE = "/mnt/eval7/bilder"  # where the pictures lay on the machine of the evaluation
COLUMNS = ("nr", "frage", "bild", "loesung", "aufgabe", "modell", "urteil", "kosten", "sekunden")
NUM_PICTURES, QUESTIONS_EACH = 200, 3
NUM_QUERIES = NUM_PICTURES * QUESTIONS_EACH

# By task, in some languages; one of the questions has no words. All questions on a picture are of one task.
QUESTIONS = {
    "zaehlen": ("How many shapes are there?", "Wie viele Formen sind zu sehen?", "形はいくつありますか。"),
    "farbe": ("Which colour is the largest shape?", "Welche Farbe hat die größte Form?", "最大的形状是什么颜色?"),
    "lage": ("Is a shape in the upper half?", "Liegt eine Form in der oberen Hälfte?", "Où est la forme bleutée ?"),
    "groesse": ("Is one shape larger than half of the picture?", "Ist eine Form größer als das halbe Bild?", ""),
}
# Who is right on nearly all queries of a task; on the others everybody is right now and then.
STRONG_IN = {
    "gpt-4o": "zaehlen",
    "claude-3.5-sonnet": "farbe",
    "Qwen2.5-VL-7B-Instruct": "lage",
    "SmolVLM2-2.2B-Instruct": "groesse",
    "InternVL2-8B": "lage",
}
FIRST, ALSO_CALLED = "gpt-4o", "openai/gpt-4o"
UNKNOWN = "InternVL2-8B"  # of whom data/vlms.yaml says nothing
PAID = (FIRST, "claude-3.5-sonnet")

TURNED, DEEP = 7, 11  # pictures that EXIF turns, and of 16 bits
LOST = range(20, 24)  # pictures that nobody copied
REPEATED = range(100, 106)  # queries whose rows stand there twice, and agree
DISPUTED = range(200, 204)  # queries with a second row of the first VLM that says the opposite
UNJUDGED = range(300, 330)  # queries on which it has an empty verdict
ODD_WORD = range(400, 403)  # queries on which its verdict is neither right nor wrong


def write_messy(folder: Path) -> None:
    """Write auswertung.csv and bilder/ into a folder, the same ones each time."""
    rng = np.random.default_rng(1)
    _draw_pictures(folder / PICTURES, rng)
    with (folder / SHEET).open("w", encoding="utf-8-sig", newline="") as stream:
        writer = csv.writer(stream, delimiter=";")
        writer.writerow(COLUMNS)
        writer.writerows(_rows(rng))


def _rows(rng: np.random.Generator) -> Iterator[tuple[str, ...]]:
    tasks = list(QUESTIONS)
    for number in range(NUM_QUERIES):
        picture, which = divmod(number, QUESTIONS_EACH)
        task = tasks[picture % len(tasks)]
        query = (f"f{number:03}", QUESTIONS[task][which], f"{ELSEWHERE}/{_name(picture)}", "", task)
        for vlm, strength in STRONG_IN.items():
            right = bool(rng.random() < (0.92 if task == strength else 0.25))
            yield from _outcome(number, vlm, query, right, rng)


def _outcome(
    number: int, vlm: str, query: tuple[str, ...], right: bool, rng: np.random.Generator
) -> Iterator[tuple[str, ...]]:
    """The rows that say how a VLM did on a query."""
    first = vlm == FIRST
    name = ALSO_CALLED if first and number % 2 else vlm
    words = ("falsch", "ja" if number % 10 == 0 else "richtig")
    word = words[right]
    if first and number in UNJUDGED:
        word = ""
    if first and number in ODD_WORD:
        word = "unklar"
    cost = _with_comma(rng.uniform(0.002, 0.006), 4) if vlm in PAID else ""
    row = (*query, name, word, cost, _with_comma(rng.uniform(0.4, 3.0), 2))
    yield row
    if number in REPEATED:
        yield row
    if first and number in DISPUTED:
        yield (*query, name, words[not right], *row[-2:])


def _with_comma(number: float, digits: int) -> str:
    return f"{number:.{digits}f}".replace(".", ",")


def _name(picture: int) -> str:
    return f"{picture:03}.{'jpg' if picture == TURNED else 'png'}"


def _draw_pictures(folder: Path, rng: np.random.Generator) -> None:
    folder.mkdir(parents=True)
    for picture in range(NUM_PICTURES):
        image, path = _draw(rng), folder / _name(picture)
        if picture in LOST:
            continue
        if picture == TURNED:
            exif = Image.Exif()
            exif[0x0112] = 6  # its orientation: a quarter turn
            image.save(path, exif=exif)
        elif picture == DEEP:
            Image.fromarray(np.asarray(image.convert("L"), dtype=np.uint16) * 257).save(path)
        else:
            image.save(path)


def _draw(rng: np.random.Generator) -> Image.Image:
    """Some shapes on a ground, each in a colour of its own."""
    image = Image.new("RGB", (96, 72), _colour(rng))
    draw = ImageDraw.Draw(image)
    for _ in range(int(rng.integers(3, 8))):
        (left, right), (top, bottom) = (np.sort(rng.integers(side, size=2)).tolist() for side in image.size)
        shape = draw.ellipse if rng.random() < 0.5 else draw.rectangle
        shape((left, top, right, bottom), fill=_colour(rng))
    return image


def _colour(rng: np.random.Generator) -> tuple[int, int, int]:
    red, green, blue = rng.integers(256, size=3).tolist()
    return red, green, blue
