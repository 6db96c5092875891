"""How many questions are longer than a text encoder reads, before there is one at hand to ask."""

import re
from collections.abc import Sequence

# As BERT's tokenizers split a text at first: words, and every Chinese or Japanese character and sign by itself. A word
# can become several tokens, so there are at least about so many.
_WORD = re.compile(r"[\u3040-\u30ff\u3400-\u9fff]|[^\W_\u3040-\u30ff\u3400-\u9fff]+|[^\w\s]|_")
_SPECIAL = 2  # the tokens that open and close every text


def count_words(text: str) -> int:
    """The words and signs of a text."""
    return sum(1 for _ in _WORD.finditer(text))


def describe_long_questions(questions: Sequence[str], max_tokens: int) -> str | None:
    """How many of some questions have more words than an encoder reads tokens, as a sentence; None if none has."""
    num_long = sum(count_words(question) + _SPECIAL > max_tokens for question in questions)
    if not num_long:
        return None
    return (
        f"{num_long:,} of {len(questions):,} questions ({num_long / len(questions):.1%}) or more are longer than the "
        f"text encoder reads (max_tokens: {max_tokens}): it reads their beginning and their end, and the middle is "
        "left out"
    )
