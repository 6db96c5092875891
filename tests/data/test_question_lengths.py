import pytest

from arms.data.question_lengths import count_words, describe_long_questions


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", 0),
        (" \n", 0),
        ("How many chairs are there?", 6),
        ("It's 3.5 m", 7),
        ("有几个点?", 5),
        ("Сколько точек?", 3),
        ("a_b", 3),
    ],
)
def test_words(text: str, words: int) -> None:
    assert count_words(text) == words


def test_the_share_of_long_questions() -> None:
    questions = ["word " * 14, "word " * 15, "word " * 500, "?"]
    assert describe_long_questions(questions, 16) == (
        "2 of 4 questions (50.0%) or more are longer than the text encoder reads (max_tokens: 16): it reads their "
        "beginning and their end, and the middle is left out"
    )
    assert describe_long_questions(questions, 502) is None
    assert describe_long_questions([], 16) is None
