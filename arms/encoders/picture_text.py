"""How much text a picture shows, and of what kind, as a few numbers: by rapidocr, `arms[ocr]`.

Its models come with its package and are pinned; nothing is downloaded. The picture is read at `_LONGEST_PX` and, of
many lines, a sample: so a picture of any size takes about as long as a small one. Each line is read by itself and on
one thread, and numbers are rounded to eight bits, so that a picture gives the same ones everywhere.
"""

import hashlib
import os
import unicodedata
from functools import cache
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from arms.errors import ArmsError

NUM_NUMBERS = 10
_LONGEST_PX = 512  # of a picture's longer side, as it is read
_MOST_ENLARGED = 2
_MOST_LINES = 10  # of more, so many are read, evenly from top to bottom, and stand for the others
_LEAST_SURE = 0.5  # a line that is read with less confidence is no text
_MANY_LINES, _MANY_CHARACTERS = 100, 1000  # where the logarithms of their numbers reach 1
_SHA256 = {
    "PP-OCRv6_det_small.onnx": "090f04abcd9d9a7498bc4ebf677e4cb9bdce1fe4197ddb7e529f1ef44e1ff94f",
    "PP-OCRv6_rec_small.onnx": "6f327246b50388f3c176ae304bd95767ea6dc0c9ae92153ef8cbe210b3c14884",
    "ch_ppocr_mobile_v2.0_cls_mobile.onnx": "e47acedf663230f8863ff1ab0e64dd2d82b838fceb5957146dab185a89d6215c",
}
_DETECT, _READ, _TURN = _SHA256


def describe_reader() -> dict[str, Any]:
    """What the numbers depend on beside the picture, for the fingerprint.

    Raises
    ------
    ArmsError
        If rapidocr is not installed, or its models are not those that are known.
    """
    models_folder()
    how = f"{_LONGEST_PX} px, {_MOST_LINES} lines, each by itself"
    return {"rapidocr": version("rapidocr"), "models": dict(_SHA256), "how": how}


@cache
def models_folder() -> Path:
    """The folder of rapidocr's models, each of which is checked against its sha256; raises as `describe_reader`."""
    if missing := [name for name in ("rapidocr", "onnxruntime") if find_spec(name) is None]:
        raise ArmsError(
            f"image.ocr: true reads text with rapidocr; {' and '.join(missing)} not installed; run: "
            "pip install 'arms[ocr]'"
        )
    spec = find_spec("rapidocr")
    folder = Path(str(spec and spec.origin)).parent / "models"
    for name, expected in _SHA256.items():
        file = folder / name
        got = hashlib.sha256(file.read_bytes()).hexdigest() if file.is_file() else "no such file"
        if got != expected:
            raise ArmsError(
                f"image.ocr: {file}: expected sha256 {expected}, got {got}; install the package anew: pip install "
                "--force-reinstall --no-deps rapidocr==3.10.0"
            )
    return folder


def text_numbers(picture: Image.Image) -> np.ndarray:
    """Numbers of the text in a picture, each from 0 to 1; all are 0 where there is none.

    Parameters
    ----------
    picture : Image of mode RGB

    Returns
    -------
    ndarray of shape (NUM_NUMBERS,), float32
        Whether there is text; its lines, ln(1 + n) / ln(101), and its characters, ln(1 + n) / ln(1001); the share of
        the picture that it covers, and a line's mean height as a share of the picture's, both as square roots; the
        mean confidence of the lines; the shares of digits, Latin letters, letters of other scripts, and signs.
    """
    scale = min(_LONGEST_PX / max(picture.size), _MOST_ENLARGED)
    width, height = (max(1, round(side * scale)) for side in picture.size)
    resized = picture.resize((width, height), Image.Resampling.BICUBIC, reducing_gap=3.0)
    boxes, texts, sure, of_one = _read_lines(resized)
    if not texts:
        return np.zeros(NUM_NUMBERS, dtype=np.float32)
    sides = np.linalg.norm(boxes - np.roll(boxes, -1, axis=1), axis=2)  # of each line's box, all four
    across, along = (sides[:, side::2].mean(axis=1) for side in (1, 0))
    characters = of_one * sum(map(len, texts))
    numbers = [
        1.0,
        np.log1p(of_one * len(texts)) / np.log1p(_MANY_LINES),
        np.log1p(characters) / np.log1p(_MANY_CHARACTERS),
        np.sqrt(of_one * (across * along).sum() / (width * height)),
        np.sqrt(np.minimum(across, along).mean() / height),
        np.mean(sure),
        *_shares("".join(texts)),
    ]
    return (np.rint(255 * np.clip(numbers, 0, 1)) / 255).astype(np.float32)


def _read_lines(picture: Image.Image) -> tuple[np.ndarray, list[str], np.ndarray, float]:
    """Corners (n, 4, 2), texts and confidences of the lines that were read, and how many lines each stands for."""
    from rapidocr.main import RapidOCRError

    engine, as_bgr = _engine(), np.ascontiguousarray(np.asarray(picture)[:, :, ::-1])
    try:
        crops, found = engine.detect_and_crop(as_bgr, {})
    except RapidOCRError:  # it found none
        return np.empty((0, 4, 2)), [], np.empty(0), 0.0
    taken = np.unique(np.linspace(0, len(crops) - 1, _MOST_LINES).round().astype(int))
    upright, _ = engine.cls_and_rotate([crops[line] for line in taken])
    read = engine.recognize_txt(upright)
    texts = ["".join(text.split()) for text in read.txts]
    sure = np.array(read.scores, dtype=np.float64)
    kept = np.flatnonzero((sure >= _LEAST_SURE) & np.array([bool(text) for text in texts]))
    boxes = np.asarray(found.boxes, dtype=np.float64)[taken[kept]]
    return boxes, [texts[place] for place in kept], sure[kept], len(crops) / len(taken)


def _shares(text: str) -> list[float]:
    """The shares of digits, Latin letters, letters of other scripts, and signs."""
    counts = [0, 0, 0, 0]
    for character in text:
        if character.isdigit():
            kind = 0
        elif character.isalpha() or unicodedata.category(character).startswith("M"):
            kind = 1 if unicodedata.name(character, "").startswith("LATIN") else 2
        else:
            kind = 3
        counts[kind] += 1
    return [count / len(text) for count in counts]


@cache
def _engine() -> Any:
    """rapidocr, made once in a process; threads may share it."""
    folder = models_folder()
    import cv2
    from rapidocr import RapidOCR

    cv2.setNumThreads(0)  # a process that is forked from one with OpenCV's threads would wait for them for good
    return RapidOCR(
        params={
            "Global.log_level": "error",
            "EngineConfig.onnxruntime.intra_op_num_threads": 1,
            "EngineConfig.onnxruntime.inter_op_num_threads": 1,
            "Det.model_path": str(folder / _DETECT),
            "Det.limit_type": "max",
            "Det.limit_side_len": 4 * _LONGEST_PX,  # the picture has its size already, and a long one is padded
            "Cls.model_path": str(folder / _TURN),
            "Rec.model_path": str(folder / _READ),
            # Lines are padded to the longest of a batch, and short ones to this width: by themselves they are faster.
            "Rec.rec_batch_num": 1,
            "Rec.rec_img_shape": [3, 48, 48],
        }
    )


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_engine.cache_clear)  # another thread may have been using it
