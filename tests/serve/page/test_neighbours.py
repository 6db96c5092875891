"""The training queries behind a ranking, from a dataset's folder."""

from io import BytesIO

import pandas as pd
import pytest
from PIL import Image

from arms.data.tables import QUERIES, write_table
from tests.serve.helpers import CLIENT, picture, serving, settings_of

MOST = 320  # pixels of a side


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Four queries: with a wide picture, with two, without a question, and with one outside the folder."""
    made = tmp_path_factory.mktemp("dataset")
    (made / "images").mkdir()
    Image.new("RGB", (1600, 400), (0, 0, 200)).save(made / "images/wide.png")
    (made / "images/small.png").write_bytes(picture(side=8))
    (made / "images/broken.png").write_bytes(b"no picture")
    (made.parent / "secret.png").write_bytes(picture())
    (made / "images/link.png").symlink_to(made.parent / "secret.png")
    images = {
        "a/b 1": ["images/wide.png"],
        "two": ["images/small.png", "images/broken.png"],
        "silent": [],
        "outside": ["../secret.png", "images/link.png", "images/none.png"],
    }
    frame = pd.DataFrame({"query_id": list(images), "images": list(images.values())})
    frame["question"] = ["How many?", "Which <b>one</b>?", None, "What?"]
    for column in ("benchmark", "task", "language", "answer"):
        frame[column] = "x"
    write_table(frame[list(QUERIES.required)], made / QUERIES.file)
    return made


@pytest.fixture(scope="module")
def shown(started_upstream, folder):
    with serving(settings_of(started_upstream.url, page={"pictures": str(folder)})) as gateway:
        yield gateway


def get(gateway, path, **query):
    return CLIENT.get(f"{gateway.url}/v1/neighbours{path}", params=query)


def test_what_was_asked(shown):
    expected = {"a/b 1": ("How many?", 1), "two": ("Which <b>one</b>?", 2), "silent": ("", 0)}
    for query_id, (question, number) in expected.items():
        found = get(shown, "", query_id=query_id).json()
        assert found == {"query_id": query_id, "question": question, "num_images": number}


def test_an_unknown_query(shown):
    response = get(shown, "", query_id="none")
    assert (response.status_code, response.json()["error"]["code"]) == (404, "query_not_found")


def test_a_picture_is_small_and_of_one_format(shown):
    response = get(shown, "/picture", query_id="a/b 1", place="0")
    assert response.headers["content-type"] == "image/webp"
    assert response.headers["x-content-type-options"] == "nosniff"
    with Image.open(BytesIO(response.content)) as found:
        assert (found.format, found.size) == ("WEBP", (MOST, MOST // 4))


@pytest.mark.parametrize("place", ["1", "-1", "x", "", "²", "9" * 5000])
def test_a_picture_that_a_query_does_not_have(shown, place):
    assert get(shown, "/picture", query_id="a/b 1", place=place).status_code == 404


@pytest.mark.parametrize(("query_id", "place"), [("two", "1"), ("outside", "0"), ("outside", "1"), ("outside", "2")])
def test_a_picture_that_cannot_be_shown(shown, query_id, place):
    response = get(shown, "/picture", query_id=query_id, place=place)
    assert (response.status_code, response.json()["error"]["code"]) == (404, "picture_missing")
    assert str(shown.settings.page.pictures) not in response.text
