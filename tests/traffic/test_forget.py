"""Forgetting what was kept of old requests."""

import asyncio
import json
from datetime import timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner

pytest.importorskip("sqlalchemy")

from arms.cli import main
from arms.errors import ArmsError
from arms.serve.memory.opening import open_memory
from arms.traffic.forget import Forgotten, forget
from tests.serve.memory.made import START, answer, decision

DAY = timedelta(days=1)


@pytest.fixture
def log(tmp_path):
    """Three requests on three days; the picture of the first was sent again on the third."""
    place = str(tmp_path / "m.db")
    memory = open_memory(place, keep_questions=True, keep_images=True, keep_outputs=True)

    async def run():
        for day, picture in enumerate((b"picture A", b"picture B", b"picture A")):
            made = decision(f"r{day}", images=(picture,), question=f"question {day}", time=START + day * DAY)
            await memory.decide(made)
            await memory.answered(answer(f"r{day}", output=f"output {day}"))
        await memory.close()

    asyncio.run(run())
    return place


def content(log):
    """All bytes of the log's files."""
    return b"".join(file.read_bytes() for file in Path(log).parent.iterdir())


def test_what_is_older_is_gone_from_the_disk_too(log):
    assert forget(log, 1, now=START + 2.5 * DAY) == Forgotten(pictures=1, questions=2, outputs=2)
    left = content(log)
    assert [text in left for text in (b"picture A", b"picture B", b"question 1", b"question 2")] == [1, 0, 0, 1]
    assert [text in left for text in (b"output 0", b"output 1", b"output 2", b"r0", b"r1")] == [0, 0, 1, 1, 1]
    assert forget(log, 1, now=START + 2.5 * DAY) == Forgotten(0, 0, 0)


def test_the_command(log):
    done = CliRunner().invoke(main, ["forget", log, "--keep-days", "0", "--json"])
    assert json.loads(done.output) == {"pictures": 2, "questions": 3, "outputs": 3}
    done = CliRunner().invoke(main, ["forget", log, "--keep-days", "0"])
    assert done.output == "forgot 0 pictures, 0 questions, 0 outputs\n"


@pytest.mark.parametrize("days", [-1, float("nan"), float("inf")])
def test_days_that_are_none(log, days):
    with pytest.raises(ArmsError, match="keep_days: expected a number of days from 0 on"):
        forget(log, days)
