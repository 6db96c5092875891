import os
from pathlib import Path

import pytest

from arms.data.images import IMAGE_ADVICE, ImageCheck
from arms.importers.image_paths import Found, ImageRoots


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder with a few files, links that stay in it and links that do not, beside a file that is none of its own."""
    root = tmp_path / "root"
    (root / "images").mkdir(parents=True)
    for name in ("images/a.png", "images/a b.png", "images\\odd.png", "../secret.png"):
        (root / name).write_text(name)
    os.mkfifo(root / "pipe")
    for link, target in (
        ("inner", "images"),
        ("dangling", "nowhere"),
        ("loop", "loop"),
        ("out.png", "../secret.png"),
        ("out", tmp_path),
    ):
        (root / link).symlink_to(target)
    return root


@pytest.mark.parametrize(
    ("recorded", "file"),
    [
        ("images/a.png", "images/a.png"),
        ("./images//a.png", "images/a.png"),
        ("images\\a.png", "images/a.png"),  # as Windows writes it
        (".\\images\\a.png", "images/a.png"),
        ("images\\odd.png", "images\\odd.png"),  # a file whose name holds a backslash goes first
        ("inner/a.png", "images/a.png"),
        ("file:images/a.png", None),
        ("file://{root}/images/a.png", "images/a.png"),
        ("file://localhost{root}/images/a%20b.png", "images/a b.png"),
        ("FILE://{root}/images/a.png", "images/a.png"),
        ("images/a%20b.png", None),  # a path is no address
        ("{root}/images/a.png", "images/a.png"),
        ("out/root/images/a.png", "images/a.png"),  # out and back in
    ],
)
def test_what_is_found(root: Path, recorded: str, file: str | None) -> None:
    found = ImageRoots([root]).find(recorded.format(root=root))
    if file is None:
        assert isinstance(found, ImageCheck)
        assert found.problem == "missing image file"
    else:
        assert isinstance(found, Found)
        assert found.file == root / file


@pytest.mark.parametrize(
    ("recorded", "problem", "detail"),
    [
        ("images/b.png", "missing image file", "images/b.png is not in {root}"),
        ("images", "missing image file", "images is not a file"),
        (".", "missing image file", ". is not a file"),
        ("pipe", "missing image file", "pipe is not a file"),
        ("dangling", "missing image file", "dangling is not in {root}"),
        ("loop", "missing image file", "loop is not in {root}"),
        ("images/a.png/b", "missing image file", "images/a.png/b is not in {root}"),
        ("images/a\0.png", "missing image file", "images/a\0.png: embedded null byte"),
        ("n" * 300, "missing image file", "n" * 300 + ": File name too long"),
        ("C:\\images\\a.png", "missing image file", "C:\\images\\a.png is not in {root}"),
        ("../secret.png", "image path with '..'", "../secret.png"),
        ("images/../images/a.png", "image path with '..'", "images/../images/a.png"),
        ("images\\..\\a.png", "image path with '..'", "images\\..\\a.png"),
        ("file:///x/%2e%2e/secret.png", "image path with '..'", "file:///x/%2e%2e/secret.png"),
        ("out.png", "image outside the roots", "out.png leads out of {root}"),
        ("out/secret.png", "image outside the roots", "out/secret.png leads out of {root}"),
        ("/etc/passwd", "image outside the roots", "/etc/passwd leads out of {root}"),
        ("/dev/zero", "image outside the roots", "/dev/zero leads out of {root}"),
        ("\\\\server\\share\\a.png", "image outside the roots", "\\\\server\\share\\a.png leads out of {root}"),
        ("https://example.org/a.png", "image on the web", "https://example.org/a.png"),
        ("S3://bucket/a.png", "image on the web", "S3://bucket/a.png"),
    ],
)
def test_what_is_wrong(root: Path, recorded: str, problem: str, detail: str) -> None:
    check = ImageRoots([root]).find(recorded)
    assert isinstance(check, ImageCheck)
    assert (check.problem, check.detail) == (problem, detail.format(root=root))
    assert problem in IMAGE_ADVICE


@pytest.mark.parametrize(
    ("prefix", "recorded"),
    [
        ("/data/vqa", "/data/vqa/images/a.png"),
        ("/data/vqa/", "/data/vqa/images/a.png"),
        ("/", "/images/a.png"),
        ("vqa", "vqa/images/a.png"),
        ("./vqa", "vqa/images/a.png"),
        ("vqa", "./vqa/images/a.png"),
        ("C:\\vqa", "C:\\vqa\\images\\a.png"),
        ("C:/vqa", "C:\\vqa\\images\\a.png"),
        ("/data/vqa", "file:///data/vqa/images/a.png"),
        ("/data/vqa", "images/a.png"),  # without the prefix
    ],
)
def test_a_prefix_stands_for_the_root(root: Path, prefix: str, recorded: str) -> None:
    found = ImageRoots([root], prefixes=[prefix]).find(recorded)
    assert found == Found(root / "images/a.png", "images/a.png")


def test_of_several_prefixes_the_longest_that_fits(root: Path) -> None:
    roots = ImageRoots([root], prefixes=["/data", "/data/vqa", "/other"])
    for recorded in ("/data/vqa/images/a.png", "/data/images/a.png", "/other/images/a.png", "images/a.png"):
        assert roots.find(recorded) == Found(root / "images/a.png", "images/a.png")


def test_a_prefix_is_whole_folders_and_leads_nowhere_else(root: Path) -> None:
    roots = ImageRoots([root], prefixes=["/data/vqa"])
    for recorded, problem in (
        ("/data/vqa2/images/a.png", "image outside the roots"),
        ("/data/vqa/../secret.png", "image path with '..'"),
        ("/data/vqa", "missing image file"),
        ("/data/vqa/out.png", "image outside the roots"),
    ):
        check = roots.find(recorded)
        assert isinstance(check, ImageCheck)
        assert check.problem == problem


def test_the_first_root_that_has_it_wins(root: Path, tmp_path: Path) -> None:
    (tmp_path / "other/images").mkdir(parents=True)
    (tmp_path / "other/images/a.png").touch()
    (tmp_path / "other/out.png").touch()
    (tmp_path / "other/pipe").touch()
    both = ImageRoots([root, tmp_path / "other"])
    assert both.find("images/a.png") == Found(root / "images/a.png", "images/a.png")
    assert both.find("out.png") == Found(tmp_path / "other/out.png", "out.png"), "the first root's leads out of it"
    assert both.find("pipe") == Found(tmp_path / "other/pipe", "pipe"), "the first root's is not a file"
    other_way = ImageRoots([tmp_path / "other", root])
    assert other_way.find("images/a.png") == Found(tmp_path / "other/images/a.png", "images/a.png")


def test_a_root_may_be_reached_through_a_link(root: Path, tmp_path: Path) -> None:
    (tmp_path / "alias").symlink_to(root)
    assert ImageRoots([tmp_path / "alias"]).find("images/a.png") == Found(root / "images/a.png", "images/a.png")


@pytest.mark.parametrize(
    ("recorded", "problem"),
    [
        ("{root}/images/a.png", "absolute image path"),
        ("C:\\images\\a.png", "absolute image path"),
        ("out.png", "image outside the folder"),
        ("queries.parquet", "image under a table's name"),
        ("./set_aside/a.png", "image under a table's name"),
        ("VLMs.yaml", "image under a table's name"),
    ],
)
def test_images_that_are_to_keep_their_paths(root: Path, recorded: str, problem: str) -> None:
    roots = ImageRoots([root], own_names=True)
    check = roots.find(recorded.format(root=root))
    assert isinstance(check, ImageCheck)
    assert check.problem == problem
    assert roots.find("inner/./a.png") == Found(root / "images/a.png", "inner/a.png")
