"""Pictures in an object store, on a real S3 server with faults injected."""

import hashlib
from io import BytesIO

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from PIL import Image

from arms.cli import main
from arms.data.images import check_file, folder_checker
from arms.data.pictures import PictureError, open_picture, read_file
from arms.data.storage.bucket import Bucket, ObjectError
from arms.data.storage.cache import SIZE
from tests.object_server import Fault


def png(number, side=16):
    file = BytesIO()
    pixels = np.random.default_rng(number).integers(0, 255, (side, side, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


@pytest.fixture
def picture(url):
    """The URL of a picture, and its bytes."""
    content = png(1)
    Bucket(url).write("shapes/one.png", content)
    return f"{url}/shapes/one.png", content


@pytest.mark.parametrize("fault", [Fault(status=503), Fault(status=429), Fault(status=500), Fault(cut=40)], ids=str)
def test_a_picture_is_read_by_its_url(s3, picture, fault):
    place, content = picture
    s3.fail_first(2, fault, "GET")
    assert read_file(place) == content
    np.testing.assert_array_equal(open_picture(place), open_picture(BytesIO(content)))


def test_what_is_known_by_its_hash_is_fetched_once(s3, picture):
    place, content = picture
    sha256 = check_file("/nowhere", place).sha256
    assert sha256 == hashlib.sha256(content).hexdigest()
    s3.seen.clear()
    assert read_file(place, sha256=sha256) == content
    assert s3.seen == []
    assert read_file(place) == content
    assert len(s3.seen) == 1, "who does not know what is there asks"


def test_a_damaged_copy_is_fetched_again(s3, picture, tmp_path):
    place, content = picture
    read_file(place)
    (copy,) = [path for path in (tmp_path / "cache" / "pictures").rglob("*") if path.is_file()]
    copy.write_bytes(b"other")
    assert read_file(place, sha256=hashlib.sha256(content).hexdigest()) == content


def test_the_cache_has_a_size(s3, url, tmp_path, monkeypatch):
    contents = [png(number, side=32) for number in range(12)]
    monkeypatch.setenv(SIZE, str(3.5 * len(contents[0]) / 2**30))
    for number, content in enumerate(contents):
        Bucket(url).write(f"{number}.png", content)
        assert read_file(f"{url}/{number}.png") == content
    assert len([path for path in (tmp_path / "cache").rglob("*") if path.is_file()]) <= 4


def test_missing_is_told_from_denied_and_failing(s3, url, picture):
    place, _ = picture
    with pytest.raises(PictureError, match=f"{url}/none.png: no such image"):
        open_picture(f"{url}/none.png")
    check = folder_checker("/nowhere", decode=True, workers=2)
    assert check([f"{url}/none.png"])[f"{url}/none.png"].problem == "missing image file"
    s3.fail_always(Fault(status=403))
    with pytest.raises(ObjectError, match=rf"{place}: expected a picture, the store denied it \(403 Forbidden"):
        check([place])
    s3.fail_always(Fault(status=503))
    with pytest.raises(ObjectError, match=rf"{place}: expected a picture, the store failed \(503 Service Unavailable"):
        check([place])


def test_other_bytes_are_no_picture(s3, url):
    Bucket(url).write("text.png", b"no picture")
    with pytest.raises(PictureError, match=f"{url}/text.png is of no known format"):
        open_picture(f"{url}/text.png")


def test_the_command_line_reads_them(s3, picture, tmp_path):
    place, _ = picture
    asked = ["route", "--image", place, "--question", "How many shapes?", "--json"]
    result = CliRunner().invoke(main, asked)
    assert result.exit_code == 0, result.output
    pd.DataFrame({"query_id": ["1", "2"], "images": [place, "shapes/one.png"], "question": "What?"}).to_csv(
        tmp_path / "queries.csv", index=False
    )
    root = place.removesuffix("/shapes/one.png")
    table = ["route", "--table", str(tmp_path / "queries.csv"), "--out", str(tmp_path / "routes.csv")]
    result = CliRunner().invoke(main, [*table, "--images-root", root])
    assert result.exit_code == 0, result.output
    routes = pd.read_csv(tmp_path / "routes.csv")
    assert routes["confidence"].nunique() == 1
