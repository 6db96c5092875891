"""Learn the text tower's word pieces from drawn texts."""

import string
from pathlib import Path

from tokenizers import Tokenizer

from arms.data.atomic import atomic_file
from arms.encoders.text import train_tokenizer
from pretrain.corpus import texts
from pretrain.settings import PretrainParams, read_settings

TOKENIZER = Path("pretrain/output/tokenizer.json")

# Letters that no drawn text may hold, so that a word of any of these alphabets falls back to pieces.
_ALPHABETS = (
    string.ascii_letters + string.digits + string.punctuation,
    "".join(map(chr, range(0x00A1, 0x0180))),  # Latin with accents
    "".join(map(chr, range(0x0391, 0x03CA))),  # Greek
    "".join(map(chr, range(0x0410, 0x0450))),  # Cyrillic
    "".join(map(chr, range(0x0905, 0x094E))),  # Devanagari
)


def learn_vocabulary(settings: PretrainParams) -> Tokenizer:
    """A WordPiece vocabulary of the drawn texts and of several alphabets."""
    drawn = texts(settings.seed, settings.vocabulary.num_texts)
    # A letter by itself makes the piece that begins a word, letters in a row those within one.
    letters = [letter for alphabet in _ALPHABETS for letter in alphabet]
    known = [*drawn, *_ALPHABETS, *letters]
    return train_tokenizer(known, vocabulary_size=settings.vocabulary.size, keep_accents=True)


def main() -> None:
    """Write pretrain/output/tokenizer.json."""
    tokenizer = learn_vocabulary(read_settings())
    with atomic_file(TOKENIZER) as draft:
        draft.write_text(tokenizer.to_str(), encoding="utf-8")


if __name__ == "__main__":
    main()
