import pytest

from arms.data.sealed import check_folder, seal_folder
from arms.errors import ArmsError


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "out/deep").mkdir(parents=True)
    (tmp_path / "out/a").write_text("1")
    (tmp_path / "out/deep/b").write_text("2")
    seal_folder(tmp_path / "out")
    return tmp_path / "out"


def check(folder):
    check_folder(folder, "a made folder", "run: make")


def test_what_was_sealed_passes(folder):
    (folder / ".gitignore").write_text("hidden files do not count")
    check(folder)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda f: (f / "a").write_text("0"),
            r"out/a is damaged or was changed: it does not match .*sha256\.json; run: m",
        ),
        (
            lambda f: (f / "a").unlink(),
            r"out/a: expected a file of a made folder, which .*sha256\.json lists, got no such file; run: make",
        ),
        (
            lambda f: (f / "deep/c").write_text(""),
            "out/deep/c: not a file of a made folder .*; remove it, or run: make",
        ),
        (lambda f: (f / "a").write_bytes((f / "deep/b").read_bytes()), "out/a is damaged or was changed"),
        (
            lambda f: (f / "sha256.json").unlink(),
            r"sha256\.json: expected the checksums of a made folder, got no such f",
        ),
        (
            lambda f: (f / "sha256.json").write_text("{"),
            r"sha256\.json: expected the .* not JSON .*; run: make",
        ),
        (
            lambda f: (f / "sha256.json").write_text("[]"),
            r"sha256\.json is damaged: .* got something else; run: make",
        ),
    ],
)
def test_what_differs_is_named(folder, change, message):
    change(folder)
    with pytest.raises(ArmsError, match=message):
        check(folder)
