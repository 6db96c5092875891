"""A made-up log in CSV, in two forms, with an image file of its own for each query."""

import struct
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

SEED = 1
FORMS = ("long", "wide")
_SIDES = (16, 32, 64)  # pixels: files of some 300 bytes, 1 KB and 4 KB
_HEAD = "query_id,benchmark,task,question,image,answer"


@dataclass(frozen=True, kw_only=True)
class Scale:
    """How much is run."""

    rounds: int
    queries: int
    vlms: int


def vlm_names(scale: Scale) -> list[str]:
    """What the log calls its VLMs."""
    return [f"vlm-{number:02d}" for number in range(scale.vlms)]


def write_log(folder: Path, scale: Scale) -> None:
    """Write long.csv, wide.csv and the images."""
    rng = np.random.default_rng(SEED)
    _write_images(folder / "images", scale.queries, rng)
    right = rng.random((scale.queries, scale.vlms)) < 0.6
    names = vlm_names(scale)
    with (folder / "long.csv").open("w") as long, (folder / "wide.csv").open("w") as wide:
        long.write(f"{_HEAD},vlm,correct,output,cost_usd,latency_s\n")
        wide.write(f"{_HEAD},{','.join(names)}\n")
        for number, verdicts in enumerate(right.astype(int).tolist()):
            query = _query(number)
            for column, (name, verdict) in enumerate(zip(names, verdicts, strict=True)):
                output, cost_usd = f'"I see {number % 7 + column % 3}, no more"', 1e-4 * (number % 1000 + column)
                latency_s = 0.5 + 1e-3 * (number % 5000)
                long.write(f"{query},{name},{verdict},{output},{cost_usd:.6f},{latency_s:.3f}\n")
            wide.write(f"{query},{','.join(map(str, verdicts))}\n")


def _query(number: int) -> str:
    """The cells that describe a query."""
    question = f'"How many shapes, of all that are shown here, are of colour {number % 997}?"'
    return f"q{number:06d},b{number % 5},t{number % 13},{question},images/{number:06d}.png,{number % 7}"


def _write_images(folder: Path, number: int, rng: np.random.Generator) -> None:
    folder.mkdir()
    for index in range(number):
        side = _SIDES[index % len(_SIDES)]
        (folder / f"{index:06d}.png").write_bytes(_noise_png(rng.integers(256, size=(side, side), dtype=np.uint8)))


def _noise_png(pixels: np.ndarray) -> bytes:
    """A grey PNG, ten times as fast as Pillow writes one."""
    height, width = pixels.shape
    rows = np.pad(pixels, ((0, 0), (1, 0))).tobytes()  # each row opens with its filter, none
    parts = [(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)), (b"IDAT", zlib.compress(rows, 1))]
    chunks = [
        struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
        for kind, content in [*parts, (b"IEND", b"")]
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)
