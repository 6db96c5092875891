from io import BytesIO
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image, ImageDraw

from arms.data import scenes
from arms.data.scenes import find_scenes, near_copies, nearest_similarity
from arms.data.thumbnails import as_vectors, thumbnail_of

SIDE = 32


def drawing(seed: int, *, size: int = 200, width: int = 4) -> Image.Image:
    """Some lines and discs at random places; the same seed gives the same drawing in another size and line width."""
    rng = np.random.default_rng(seed)
    image = Image.new("RGB", (size, size), "white")
    draw = ImageDraw.Draw(image)
    for _ in range(3):
        line = (rng.random(4) * size).tolist()
        draw.line(line, fill=tuple(rng.integers(0, 120, 3).tolist()), width=round(width * size / 200))
    for _ in range(3):
        x, y = (rng.random(2) * size).tolist()
        radius = float(rng.uniform(0.1, 0.2)) * size
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=tuple(rng.integers(0, 120, 3).tolist()))
    return image


def as_jpeg(image: Image.Image, quality: int) -> Image.Image:
    stream = BytesIO()
    image.save(stream, "JPEG", quality=quality)
    return Image.open(stream)


def thumbnails(*images: Image.Image) -> list[bytes]:
    return [thumbnail_of(image, SIDE) for image in images]


def test_vectors_are_centred_at_unit_norm_and_blank_ones_zero() -> None:
    vectors = as_vectors(thumbnails(drawing(1), Image.new("RGB", (9, 9), "red")))
    assert vectors.mean(axis=1) == pytest.approx([0, 0], abs=1e-7)
    assert np.linalg.norm(vectors, axis=1) == pytest.approx([1, 0])


def test_another_size_format_or_line_width_is_a_near_copy() -> None:
    copies = [drawing(1), drawing(1, size=555), drawing(1, width=6), as_jpeg(drawing(1), 30), drawing(1).convert("L")]
    codes = near_copies(thumbnails(*copies, *(drawing(seed) for seed in range(2, 40))), 0.95)
    assert len(set(codes[:5])) == 1
    assert len(set(codes)) == 39


def test_near_copies_of_near_copies_hang_together() -> None:
    # A dark block that wanders over grey ground: neighbours are alike, the ends of the way are not.
    def step(x: int) -> Image.Image:
        image = Image.new("L", (320, 320), 200)
        ImageDraw.Draw(image).rectangle((x, 40, x + 150, 280), fill=10)
        return image

    way = thumbnails(*(step(x) for x in range(0, 170, 5)))
    vectors = as_vectors(way)
    assert vectors[0] @ vectors[-1] < 0.1
    assert set(near_copies(way, 0.9)) == {0}


def test_blank_pictures_are_near_copies_of_nothing() -> None:
    blank = [Image.new("RGB", (5, 5), colour) for colour in ("red", "red", "white")]
    assert len(set(near_copies(thumbnails(*blank, drawing(1)), 0.5))) == 4


@pytest.mark.filterwarnings("ignore:WARNING clustering")
def test_clusters_find_the_same_copies_as_comparing_all(monkeypatch: pytest.MonkeyPatch) -> None:
    pictures = thumbnails(*(drawing(seed % 150, width=3 + seed // 150) for seed in range(450)))
    exact = near_copies(pictures, 0.97)
    assert 100 < len(set(exact)) < 200
    monkeypatch.setattr(scenes, "_EXACT", 50)
    clustered = near_copies(pictures, 0.97)
    assert (np.unique(clustered, return_inverse=True)[1] == np.unique(exact, return_inverse=True)[1]).all()


def test_pairs_are_held_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    pictures = thumbnails(*(drawing(seed % 7, width=3 + seed % 3) for seed in range(60)))
    whole = near_copies(pictures, 0.9)
    monkeypatch.setattr(scenes, "_MOST_PAIRS", 5)
    monkeypatch.setattr(scenes, "_BATCH", 8)
    assert len(pd.DataFrame({"whole": whole, "parts": near_copies(pictures, 0.9)}).drop_duplicates()) == len(set(whole))


def test_nothing_to_compare() -> None:
    assert near_copies([], 0.98).tolist() == []
    assert nearest_similarity([], thumbnails(drawing(1))).tolist() == []
    assert nearest_similarity(thumbnails(drawing(1)), []).tolist() == [-1]


def test_nearest_similarity_is_the_highest_correlation() -> None:
    ours, others = thumbnails(drawing(1), drawing(2)), thumbnails(drawing(1, width=5), drawing(3), drawing(4))
    expected = np.corrcoef([np.frombuffer(one, np.uint8) for one in [*ours, *others]])[:2, 2:].max(axis=1)
    assert nearest_similarity(ours, others) == pytest.approx(expected, abs=1e-5)


def scene_of(
    images: list[str], groups: list[str | None] | None = None, copies: dict[str, int] | None = None
) -> list[str]:
    lists = [(image,) for image in images]
    frame = pd.DataFrame({"images_sha256": lists, "question_sha256": "the same"})
    if groups is not None:
        frame["group"] = pd.Series(groups, dtype="str")
    return find_scenes(frame, copies).tolist()


def test_a_scene_is_named_by_its_smallest_image() -> None:
    assert scene_of(["b", "a", "b"]) == ["b", "a", "b"]
    assert scene_of(["b", "a", "c"], copies={"a": 7, "b": 7, "c": 9}) == ["a", "a", "c"]


def test_groups_join_pictures_and_none_joins_nothing() -> None:
    assert scene_of(["c", "b", "d", "e"], ["g", "g", None, None]) == ["b", "b", "d", "e"]


def test_scenes_hang_together_through_groups_and_copies() -> None:
    # d and c by group, c and b by picture, b and a by group.
    assert scene_of(["d", "c", "b", "a"], ["1", "1", "2", "2"], {"a": 0, "b": 1, "c": 1, "d": 2}) == ["a"] * 4


def scenes_of(*queries: tuple[tuple[str, ...], str], **more: Any) -> list[str]:
    """The scenes of queries of some images and a question each."""
    frame = pd.DataFrame(
        {"images_sha256": [images for images, _ in queries], "question_sha256": [q for _, q in queries]}
    )
    return find_scenes(frame.assign(**more), {"a": 1, "b": 2, "c": 3, "d": 4, "e": 4}).tolist()


def test_a_query_joins_all_its_pictures() -> None:
    assert scenes_of((("c", "a"), "x"), (("b",), "x"), (("c",), "x")) == ["a", "b", "a"]
    assert scenes_of((("c", "a"), "x"), (("b", "c"), "x"), (("b",), "x"), (("d",), "x")) == ["a", "a", "a", "d"]
    # d and e are near-copies.
    assert scenes_of((("d", "c"), "x"), (("e",), "y"), (("a",), "x")) == ["c", "c", "a"]


def test_queries_without_a_picture_are_of_one_scene_if_they_ask_the_same() -> None:
    assert scenes_of(((), "x"), ((), "y"), (("a",), "x"), ((), "x")) == ["x", "y", "a", "x"]
    assert scenes_of(((), "x"), ((), "y")) == ["x", "y"]
    # A group joins them with others, pictures included.
    assert scenes_of(((), "x"), (("c",), "y"), ((), "z"), group=pd.Series(["g", "g", None], dtype="str")) == [
        "c",
        "c",
        "z",
    ]
