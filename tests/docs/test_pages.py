"""A reader who follows a page from its first block to its last gets what it promises."""

import pytest

from tests.docs.brought import BROUGHT
from tests.docs.markdown import PAGES, read_blocks, read_commands
from tests.docs.reader import Reader
from tests.pipeline import ROOT

# Commands that are not run here, and why.
LEFT_OUT = {
    "make repro": "it builds an environment first; the dvc repro and arms report that follow are run by other pages",
    "make test": "it would run this test",
    "python -m tests.faults": "it takes long; tests/faults/test_bytes.py runs a part",
    "dvc repro studies/dvc.yaml": "tests/studies/test_studies.py runs it",
}


def has_blocks(page):
    return any(block.language != "text" for block in read_blocks((ROOT / page).read_text(encoding="utf-8")))


@pytest.mark.clone
@pytest.mark.timeout(3600)  # a page may run the whole pipeline several times
@pytest.mark.parametrize("page", [page for page in PAGES if has_blocks(page)])
def test_page(page, first_run, tmp_path):
    clone = first_run.copy(tmp_path / "clone")
    for bring in BROUGHT.get(page, ()):
        bring(clone)
    Reader(clone, LEFT_OUT).follow(ROOT / page)


def test_what_is_left_out_is_on_a_page():
    pages = [(ROOT / page).read_text(encoding="utf-8") for page in PAGES]
    commands = [
        c.text for page in pages for b in read_blocks(page) if b.language == "bash" for c in read_commands(b.text)
    ]
    assert set(LEFT_OUT) <= set(commands)
    assert set(BROUGHT) <= set(PAGES)
