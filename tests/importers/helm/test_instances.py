"""HELM: from an instance to a question, its answer and its image."""

import base64
import re
from pathlib import Path
from typing import Any

import pytest

from arms.errors import ArmsError
from arms.importers.helm.instances import Question, parse_question
from tests.importers.helm.case import Output, ask
from tests.importers.helpers import Imported
from tests.importers.logs.helm import ELSEWHERE, instance, picture, reference, request, short, words, write_image

VIDEO = {"content_type": "video/mp4", "location": "/a.mp4"}


def parse(asked: dict[str, Any], method: str = "generation_multimodal", instructions: str = "Do it.") -> Question:
    return parse_question(asked, method=method, instructions=instructions)


def test_text_around_an_image() -> None:
    asked = instance("id0", [words("Before \n"), picture("/a.png"), words(" after?")], [])
    assert parse(asked) == Question("Before after?", ("/a.png",), (), None)


@pytest.mark.parametrize("media", [[picture("/a.png")], [words(" "), picture("/a.png")]])
def test_image_without_words(media: list[Any]) -> None:
    assert parse(instance("id0", media, [])).text == "Do it."


def test_no_words_at_all() -> None:
    assert parse(instance("id0", [picture("/a.png")], []), instructions="").text == ""


def test_options() -> None:
    references = [reference("red"), reference("blue", correct=True)]
    asked = instance("id0", [words("Colour?"), picture("/a.png")], references)
    assert parse(asked, "multiple_choice_joint_multimodal") == Question(
        "Colour?\nA. red\nB. blue", ("/a.png",), (), "blue"
    )
    assert parse(asked).text == "Colour?"  # of what can be right the VLM saw nothing


def test_many_options() -> None:
    references = [reference(f"option {number}") for number in range(28)]
    text = parse(instance("id0", [words("Which?")], references), "multiple_choice_joint_multimodal").text
    assert text.splitlines()[-3:] == ["Z. option 25", "27. option 26", "28. option 27"]


def test_images_to_choose_from() -> None:
    other = {"output": {"multimedia_content": {"media_objects": [picture("/b.png")]}, "text": ""}, "tags": []}
    asked = instance("id0", [words("Which?"), picture("/a.png")], [reference("none"), other])
    assert parse(asked, "multiple_choice_joint_multimodal").images == ("/a.png", "/b.png")
    assert parse(asked).images == ("/a.png",)


def test_answers() -> None:
    def answer(*references: Any) -> Any:
        return parse(instance("id0", [words("?")], references)).answer

    assert answer(reference("two", correct=True), reference("three")) == "two"
    assert answer(*(reference(text, correct=True) for text in ("two", "2", "two"))) == ["two", "2"]
    assert answer(reference("three")) is None
    assert answer({"output": {"multimedia_content": {"media_objects": [words("w")]}}, "tags": ["correct"]}) == "w"


def test_missing_keys() -> None:
    assert parse({"id": "id0", "input": {}}, instructions="") == Question("", (), (), None)


def test_words_alone() -> None:
    asked = {"id": "id0", "input": {"text": "Words alone."}}
    assert parse(asked, instructions="Answer.") == Question("Words alone.", (), (), None)
    options = asked | {"references": [reference("red", correct=True), reference("blue")]}
    assert parse(options, "multiple_choice_joint").text == "Words alone.\nA. red\nB. blue"


def media(*objects: Any) -> dict[str, Any]:
    return {"input": {"multimedia_content": {"media_objects": list(objects)}}}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"input": None}, "input: expected an object, got None"),
        ({"input": "text"}, "input: expected an object, got 'text'"),
        ({"input": {"multimedia_content": []}}, "input.multimedia_content: expected an object, got []"),
        ({"input": {"multimedia_content": {"media_objects": {}}}}, "media_objects: expected a list, got {}"),
        (media("text"), "media object: expected an object, got 'text'"),
        (media({"text": "?"}), "content_type: expected text, got None"),
        (media({"content_type": 1}), "content_type: expected text, got 1"),
        (media({"content_type": "text/plain", "text": 5}), "multimedia_content: text: expected text, got 5"),
        (media({"content_type": "image/png"}), "location: expected text, got None"),
        (media({"content_type": "image/png", "location": ["/a.png"]}), "location: expected text, got ['/a.png']"),
        ({"references": "red"}, "references: expected a list, got 'red'"),
        ({"references": [None]}, "reference: expected an object, got None"),
        ({"references": [{"output": "red"}]}, "reference.output: expected an object, got 'red'"),
        ({"references": [{"output": {"text": 7}}]}, "reference.output.text: expected text, got 7"),
        ({"references": [{"output": {"text": "red"}, "tags": "correct"}]}, "tags: expected a list, got 'correct'"),
    ],
)
def test_wrong_types(change: dict[str, Any], message: str) -> None:
    asked = short("id0", "a.png", "?", "red") | change
    with pytest.raises(ArmsError, match=re.escape(message)):
        parse(asked)


@pytest.fixture
def output(tmp_path: Path) -> Output:
    return Output(tmp_path)


def read_instances(output: Output, *asked: Any, **options: Any) -> tuple[list[str], Imported]:
    """Import a run of some instances; the ids kept."""
    output.run(*(request(one, "red", match=1) for one in asked))
    found = output.read(options=options)
    return [query["query_id"].removeprefix("gqa/") for query in found.queries], found


def read_images(output: Output, *locations: str, **options: Any) -> tuple[list[str], Imported]:
    """Import a run with a good question, id0, and one for each location."""
    asked = [instance(f"id{n}", [picture(location), words("?")], []) for n, location in enumerate(locations, start=1)]
    return read_instances(output, ask(), *asked, **options)


def test_number_of_images(output: Output) -> None:
    kept, found = read_instances(
        output,
        ask(),
        instance("id1", [words("None?")], []),
        instance("id2", [picture("gqa/1.png"), words("Two?"), picture("gqa/0.png")], []),
        instance("id3", [picture("/a.png"), VIDEO, words("A video?")], []),
        instance("id4", [], []),
        instance("id5", [{}], []),
    )
    assert (kept, found.report.rows_set_aside) == (["id0", "id1", "id2", "id4"], 2)
    assert [len(query["images"]) for query in found.queries] == [1, 0, 2, 0]
    originals = [output.folder / f"scenarios/gqa/{number}.png" for number in (1, 0)]
    assert found.pictures(found.queries[2]) == [path.read_bytes() for path in originals]
    assert found.queries[3]["question"] == "Answer."
    assert found.kinds == {
        "query without an image": 2,
        "question with media other than images": 1,
        "instance that cannot be read": 1,
    }
    detail = "input.multimedia_content: content_type: expected text, got None"
    assert found.examples("instance that cannot be read") == [("scenario_state.json.request_states[5]", detail)]


@pytest.mark.parametrize(
    "location",
    [
        f"{ELSEWHERE}/gqa/0.png",
        "benchmark_output/scenarios/gqa/0.png",
        "scenarios/gqa/0.png",
        "/scenarios/old/benchmark_output/scenarios/gqa/0.png",
    ],
)
def test_images_below_the_scenarios_folder(output: Output, location: str) -> None:
    run = output.run(request(instance("id0", [picture(location), words("?")], []), "", match=1))
    for source in (output.folder, run.parent, run):
        assert output.read(source).report.images_found == 1


def test_named_roots(output: Output) -> None:
    moved = output.folder.parent / "moved"
    (output.folder / "scenarios").rename(moved)
    with pytest.raises(ArmsError, match="image outside the roots: /home/evaluator/helm/"):
        read_images(output)
    assert read_images(output, roots=(moved,))[0] == ["id0"]
    assert read_images(output, roots=(moved / "gqa",), image_prefixes=(f"{ELSEWHERE}/gqa",))[0] == ["id0"]


def test_only_images_beside_runs(output: Output, tmp_path: Path) -> None:
    """A folder called runs that is not in HELM's output gives no image in the folder around it away."""
    write_image(tmp_path / "private.png", 0)
    write_image(tmp_path / "runs/v1/0.png", 1)
    output.folder = tmp_path
    at = (f"{tmp_path}/private.png", "0.png")
    output.run(*(request(instance(f"id{n}", [picture(one), words("?")], []), "", match=1) for n, one in enumerate(at)))
    found = output.read(tmp_path / "runs/v1", options={})
    assert found.column("query_id") == ["gqa/id1"]
    assert found.kinds["image outside the roots"] == 1


def test_paths_that_lead_astray(output: Output) -> None:
    secret = output.folder.parent / "secret.png"
    write_image(secret, 1)
    (output.folder / "scenarios/gqa/link.png").symlink_to(secret)
    locations = {
        f"{ELSEWHERE}/../../secret.png": "image path with '..'",
        f"{ELSEWHERE}/gqa/link.png": "image outside the roots",
        str(secret): "image outside the roots",
        "https://example.org/scenarios/gqa/0.png": "image on the web",
        "gqa/none.png": "missing image file",
        f"{ELSEWHERE}/gqa": "image outside the roots",
        "": "image unknown",
    }
    kept, found = read_images(output, *locations)
    assert kept == ["id0"]
    assert set(found.kinds) == {*locations.values(), "query set aside"}
    assert (found.report.images_found, len([*(found.folder / "images").iterdir()])) == (1, 1)


def test_data_uri(output: Output) -> None:
    content = (output.folder / "scenarios/gqa/0.png").read_bytes()
    uri = f"data:image/png;base64,{base64.b64encode(content).decode()}"
    kept, found = read_images(output, uri, "data:image/png;base64,nothing")
    assert kept == ["id0", "id1"]
    assert found.kinds["unreadable image"] == 1
    assert found.image(found.queries[1]) == content
