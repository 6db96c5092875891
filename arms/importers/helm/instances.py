"""From an instance of HELM to a query: the question in words, its images, and the answer."""

from collections.abc import Iterator
from dataclasses import dataclass
from string import ascii_uppercase
from typing import Any

from arms.importers.helm.run_specs import expect


@dataclass(frozen=True, slots=True)
class Question:
    """What a VLM was asked.

    Attributes
    ----------
    text : str
    images : tuple of str
        As recorded: paths, addresses or data URIs; those among the options to choose from included.
    other_media : tuple of str
        Content types of what is neither text nor image.
    answer : str, list of str or None
        What a reference tagged as correct says; a list if several say different things.
    """

    text: str
    images: tuple[str, ...]
    other_media: tuple[str, ...]
    answer: str | list[str] | None


def parse_question(instance: dict[str, Any], *, method: str, instructions: str) -> Question:
    """Read an instance.

    Parameters
    ----------
    instance : dict
    method : str
        How it became a prompt: for multiple choice the options belong to the question.
    instructions : str
        The question of an instance that has no words, as in captioning.

    Raises
    ------
    ArmsError
        If something is of another type than it must be.
    """
    media = list(_media(instance.get("input"), "input"))
    words = [one["text"].strip() for one in media if _kind(one) == "text"]
    own = expect(instance["input"].get("text") or "", str, "input.text").strip()
    text = " ".join(filter(None, words)) or own or instructions.strip()
    references = [_Reference.parse(reference) for reference in _list(instance.get("references"), "references")]
    if method.startswith("multiple_choice") and len(references) > 1:
        options = [f"{_letter(number)}. {one.text}" for number, one in enumerate(references)]
        text = "\n".join(filter(None, [text, *options]))
        media += [one for reference in references for one in reference.media]
    answers = list(dict.fromkeys(reference.text for reference in references if reference.is_correct))
    return Question(
        text=text,
        images=tuple(one["location"] for one in media if _kind(one) == "image"),
        other_media=tuple(one["content_type"] for one in media if _kind(one) not in ("text", "image")),
        answer=answers[0] if len(answers) == 1 else answers or None,
    )


@dataclass(frozen=True, slots=True)
class _Reference:
    """A possible output."""

    text: str
    media: tuple[dict[str, Any], ...]
    is_correct: bool

    @classmethod
    def parse(cls, reference: Any) -> "_Reference":
        output = expect(expect(reference, dict, "reference").get("output"), dict, "reference.output")
        media = tuple(_media(output, "reference.output"))
        words = " ".join(one["text"] for one in media if _kind(one) == "text")
        text = expect(output.get("text", ""), str, "reference.output.text")
        return cls(text or words, media, "correct" in _list(reference.get("tags"), "reference.tags"))


def _media(content: Any, where: str) -> Iterator[dict[str, Any]]:
    """The parts of an input or output with multimedia content, each with a content type and text or location."""
    multimedia = expect(content, dict, where).get("multimedia_content")
    if multimedia is None:
        return
    where = f"{where}.multimedia_content"
    for one in _list(expect(multimedia, dict, where).get("media_objects"), f"{where}.media_objects"):
        expect(expect(one, dict, f"{where}: media object").get("content_type"), str, f"{where}: content_type")
        needed = {"text": "text", "image": "location"}.get(_kind(one))
        if needed is not None:
            expect(one.get(needed), str, f"{where}: {needed}")
        yield one


def _kind(media: dict[str, Any]) -> str:
    """The first part of a content type: text, image, video, audio."""
    return media["content_type"].partition("/")[0].lower()


def _letter(number: int) -> str:
    """What an option is called in the prompt."""
    return ascii_uppercase[number] if number < len(ascii_uppercase) else str(number + 1)


def _list(value: Any, where: str) -> list[Any]:
    """A list; nothing if there is none, as HELM leaves out what is null."""
    return [] if value is None else expect(value, list, where)
