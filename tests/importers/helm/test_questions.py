"""HELM: from an instance to a question, its answer and its image."""

import base64
import re
from pathlib import Path
from typing import Any

import pytest

from arms.data.tables import read_dataset
from arms.errors import ArmsError
from arms.importers.helm.helm_importer import HelmImporter
from arms.importers.helm.instances import Question, parse_question
from arms.importers.run import ImportOptions, ImportReport, import_log
from tests.importers.logs.helm import (
    ELSEWHERE,
    GPT,
    instance,
    picture,
    reference,
    request,
    short,
    words,
    write_image,
    write_run,
)

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
    assert parse({"id": "id0", "input": {"text": "Words alone."}}, instructions="") == Question("", (), (), None)


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
def output(tmp_path: Path) -> Path:
    """A benchmark_output of one run that asks of one good image, below the evaluator's scenarios folder."""
    write_image(tmp_path / "benchmark_output/scenarios/gqa/0.png", 0)
    return tmp_path / "benchmark_output"


def import_images(output: Path, *locations: str, **options: Any) -> tuple[list[str], ImportReport]:
    """Import a run with a good question, id0, and one for each location; the ids kept."""
    asked = [short("id0", "gqa/0.png", "?", "red")]
    asked += [instance(f"id{n}", [picture(location), words("?")], []) for n, location in enumerate(locations, start=1)]
    return import_instances(output, *asked, **options)


def import_instances(output: Path, *asked: Any, **options: Any) -> tuple[list[str], ImportReport]:
    write_run(output / "runs/v1", "gqa", GPT, [request(one, "red", match=1) for one in asked])
    out = output.parent / "out"
    report = import_log(HelmImporter(), [output], out, ImportOptions(access="free", replace=True, **options))
    return [query.removeprefix("gqa/") for query in read_dataset(out).queries["query_id"]], report


def kinds(report: ImportReport) -> list[str]:
    return [finding.kind for finding in report.report.findings if finding.set_aside]


def test_number_of_images(output: Path) -> None:
    good = short("id0", "gqa/0.png", "?", "red")
    others = [
        instance("id1", [words("None?")], []),
        instance("id2", [picture("/a.png"), picture("/b.png"), words("Two?")], []),
        instance("id3", [picture("/a.png"), VIDEO, words("A video?")], []),
        instance("id4", [], []),
    ]
    kept, report = import_instances(output, good, *others)
    assert kept == ["id0"]
    assert {finding.kind: finding.count for finding in report.report.findings if finding.set_aside} == {
        "question without an image": 2,
        "question with several images": 1,
        "question with media other than images": 1,
    }
    assert report.rows_set_aside == 4


def test_instance_of_wrong_types(output: Path) -> None:
    kept, report = import_instances(output, short("id0", "gqa/0.png", "?", "red"), instance("id1", [{}], []))
    assert kept == ["id0"]
    (finding,) = [one for one in report.report.findings if one.set_aside]
    assert finding.kind == "instance that cannot be read"
    assert finding.rows[0]["where"].endswith("scenario_state.json.request_states[1]")
    assert finding.rows[0]["detail"] == "input.multimedia_content: content_type: expected text, got None"


@pytest.mark.parametrize(
    "location",
    [
        f"{ELSEWHERE}/gqa/0.png",
        "benchmark_output/scenarios/gqa/0.png",
        "scenarios/gqa/0.png",
        "/scenarios/old/benchmark_output/scenarios/gqa/0.png",
    ],
)
def test_images_below_the_scenarios_folder(output: Path, location: str) -> None:
    write_run(
        output / "runs/v1", "gqa", GPT, [request(instance("id0", [picture(location), words("?")], []), "", match=1)]
    )
    for source in (output, output / "runs/v1", output / "runs/v1/gqa:model=openai_gpt-4o"):
        options = ImportOptions(access="free", replace=True)
        assert import_log(HelmImporter(), [source], output.parent / "out", options).images_found == 1


def test_named_roots(output: Path) -> None:
    moved = output.parent / "moved"
    (output / "scenarios").rename(moved)
    with pytest.raises(ArmsError, match="image outside the roots: /home/evaluator/helm/"):
        import_images(output)
    assert import_images(output, roots=(moved,))[0] == ["id0"]
    assert import_images(output, roots=(moved / "gqa",), image_prefix=f"{ELSEWHERE}/gqa")[0] == ["id0"]


def test_images_beside_runs_alone(tmp_path: Path) -> None:
    """A folder called runs that is not in HELM's output gives no image in the folder around it away."""
    write_image(tmp_path / "private.png", 0)
    write_image(tmp_path / "runs/v1/0.png", 1)
    asked = [instance(f"id{n}", [picture(f"{tmp_path}/{at}"), words("?")], []) for n, at in enumerate(("private.png",))]
    asked.append(instance("id1", [picture("0.png"), words("?")], []))
    write_run(tmp_path / "runs/v1", "gqa", GPT, [request(one, "", match=1) for one in asked])
    out = tmp_path / "out"
    report = import_log(HelmImporter(), [tmp_path / "runs/v1"], out, ImportOptions(access="free"))
    assert read_dataset(out).queries["query_id"].tolist() == ["gqa/id1"]
    assert "image outside the roots" in kinds(report)


def test_paths_that_lead_astray(output: Path) -> None:
    write_image(output.parent / "secret.png", 1)
    (output / "scenarios/gqa/link.png").symlink_to(output.parent / "secret.png")
    locations = {
        f"{ELSEWHERE}/../../secret.png": "image path with '..'",
        f"{ELSEWHERE}/gqa/link.png": "image outside the roots",
        str(output.parent / "secret.png"): "image outside the roots",
        "https://example.org/scenarios/gqa/0.png": "image on the web",
        "gqa/none.png": "missing image file",
        f"{ELSEWHERE}/gqa": "image outside the roots",
        "": "no image",
    }
    kept, report = import_images(output, *locations)
    assert kept == ["id0"]
    assert set(kinds(report)) == {*locations.values(), "query set aside"}
    assert (report.images_found, len(list((output.parent / "out/images").iterdir()))) == (1, 1)


def test_data_uri(output: Path) -> None:
    content = (output / "scenarios/gqa/0.png").read_bytes()
    kept, report = import_images(
        output, f"data:image/png;base64,{base64.b64encode(content).decode()}", "data:image/png;base64,nothing"
    )
    assert kept == ["id0", "id1"]
    assert "unreadable image" in kinds(report)
    assert (output.parent / "out" / read_dataset(output.parent / "out").queries["image"][1]).read_bytes() == content
