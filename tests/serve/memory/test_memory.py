"""What a memory keeps, what it leaves out, and what it refuses."""

import asyncio
import math
import sqlite3
import threading
from datetime import UTC, timedelta, timezone
from pathlib import Path

import pytest
from sqlalchemy import event, select

from arms.errors import ArmsError
from arms.serve.memory.database import DatabaseMemory
from arms.serve.memory.errors import DoubledRequestError, UnknownRequestError
from arms.serve.memory.none import NoMemory
from arms.serve.memory.opening import open_memory
from arms.traffic.store import open_store
from arms.traffic.tables import ANSWERS, DECISIONS, FEEDBACK, METADATA, PICTURES, QUESTIONS
from tests.serve.helpers import LONG_S
from tests.serve.memory.made import QUESTION, START, answer, decision, feedback, sha256

NOTHING = {"keep_questions": False, "keep_images": False, "keep_outputs": False}
ALL = {"keep_questions": True, "keep_images": True, "keep_outputs": True}


def remember(memory, *records):
    """Give a memory some records one after the other, and close it; what it refused, else None for each."""

    async def run():
        results = []
        for record in records:
            call = {"Decision": memory.decide, "Answer": memory.answered, "Feedback": memory.feedback}
            try:
                results.append(await call[type(record).__name__](record))
            except ArmsError as error:
                results.append(error)
        await memory.close()
        return results

    return asyncio.run(run())


def noting(place):
    """A memory, and an event that is set when it begins to write."""
    store, begun = open_store(place, make=True), threading.Event()
    event.listen(store.engine, "begin", lambda _: begun.set())
    return DatabaseMemory(store, **NOTHING), begun


def rows(place, table):
    """All rows of a table."""
    store = open_store(place)
    with store.transaction("read") as connection:
        found = [dict(row) for row in connection.execute(select(table)).mappings()]
    store.close()
    return found


def test_all_comes_back_as_it_was(place):
    made = decision(images=(b"one", b"two"), session="s", confidences={"large": 1 / 3})
    records = (made, answer(fallbacks=("small",)), feedback(score=0.25), feedback(correct=None, score=1, vlm="small"))
    assert remember(open_memory(place, **ALL), *records) == [None] * 4
    (row,) = rows(place, DECISIONS)
    expected = {**vars(made), "image_sha256": list(made.image_sha256)}
    assert row == {name: value for name, value in expected.items() if name not in ("question", "images")}
    assert row["time"].tzinfo is UTC
    (row,) = rows(place, ANSWERS)
    assert row == {**vars(answer()), "fallbacks": ["small"]}
    said = [(row["vlm"], row["correct"], row["score"]) for row in rows(place, FEEDBACK)]
    assert said == [(None, True, 0.25), ("small", None, 1.0)]
    assert {row["sha256"]: row["content"] for row in rows(place, PICTURES)} == {
        sha256(b"one"): b"one",
        sha256(b"two"): b"two",
    }
    assert [row["content"] for row in rows(place, QUESTIONS)] == [QUESTION]


def test_by_default_nothing_that_was_asked_or_answered_is_kept(place):
    remember(open_memory(place), decision(), answer(), feedback())
    assert rows(place, PICTURES) == rows(place, QUESTIONS) == []
    assert rows(place, ANSWERS)[0]["output"] is None
    if Path(place).exists():
        content = b"".join(file.read_bytes() for file in Path(place).parent.iterdir())
        assert not any(secret in content for secret in (b"photograph", QUESTION.encode(), b"Four."))


def test_a_request_has_one_decision_and_one_end(place):
    later = decision(chosen="small")
    results = remember(open_memory(place), decision(), later, answer(), answer(status=500), feedback(), feedback())
    assert [type(result) for result in results] == [
        type(None),
        DoubledRequestError,
        type(None),
        DoubledRequestError,
        type(None),
        type(None),
    ]
    assert "'r0': expected a new id, got one that is taken" in str(results[1])
    assert [row["chosen"] for row in rows(place, DECISIONS)] == ["large"]
    assert [row["status"] for row in rows(place, ANSWERS)] == [200]
    assert len(rows(place, FEEDBACK)) == 2


def test_what_belongs_to_no_decision_is_refused(place):
    results = remember(open_memory(place), answer("x"), feedback("x"), decision("y"), answer("y"))
    assert [type(result) for result in results[:2]] == [UnknownRequestError] * 2
    assert results[2:] == [None, None]


@pytest.mark.parametrize(
    ("record", "said"),
    [
        (feedback(correct=None), "expected correct, score or both, got neither"),
        (feedback(score=1.5), "expected a score from 0 to 1, got 1.5"),
        (feedback(score=math.nan), "expected a score from 0 to 1, got nan"),
        (decision(propensity=0.0), r"expected a number in \(0, 1\], got 0.0"),
        (decision(propensity=math.nan), r"expected a number in \(0, 1\], got nan"),
    ],
)
def test_values_out_of_range_are_refused(tmp_path, record, said):
    (result,) = remember(open_memory(str(tmp_path / "m.db")), record)
    with pytest.raises(ArmsError, match=said):
        raise result


def test_texts_that_no_database_holds(place):
    odd = "half \ud83d, none \0, whole 🪑, é"
    made = decision(odd, question=odd, question_sha256="0" * 64, session=odd, unable={odd: odd})
    assert remember(open_memory(place, **ALL), made, answer(odd, output=odd), feedback(odd)) == [None] * 3
    (row,) = rows(place, QUESTIONS)
    assert row["content"] == "half \ufffd, none \ufffd, whole 🪑, é"
    assert rows(place, FEEDBACK)[0]["request_id"] == rows(place, DECISIONS)[0]["request_id"] == row["content"]


def test_times_of_any_zone_come_back_in_utc(place):
    there = START.astimezone(timezone(timedelta(hours=-7)))
    remember(open_memory(place), decision(time=there))
    (row,) = rows(place, DECISIONS)
    assert (row["time"], row["time"].tzinfo) == (START, UTC)


def test_what_waits_together_is_committed_together(tmp_path):
    store = open_store(str(tmp_path / "m.db"), make=True)
    commits = []
    event.listen(store.engine, "commit", commits.append)
    memory = DatabaseMemory(store, **NOTHING)
    other = sqlite3.connect(tmp_path / "m.db", isolation_level=None)

    async def run():
        other.execute("BEGIN IMMEDIATE")
        calls = [asyncio.create_task(memory.decide(decision(f"r{number}"))) for number in range(200)]
        await asyncio.sleep(0)  # each has begun
        other.execute("COMMIT")
        await asyncio.gather(*calls)
        await memory.close()

    asyncio.run(run())
    other.close()
    assert len(rows(str(tmp_path / "m.db"), DECISIONS)) == 200
    assert len(commits) <= 2, "what came while the first was held up"


def test_one_bad_record_spoils_no_other(place):
    memory = open_memory(place)

    async def run():
        made = [decision(f"r{number}") for number in range(20)]
        made[7] = decision("r7", confidences={"large": object()})
        results = await asyncio.gather(*map(memory.decide, made), return_exceptions=True)
        await memory.close()
        return results

    results = asyncio.run(run())
    assert [number for number, result in enumerate(results) if result is not None] == [7]
    assert isinstance(results[7], ArmsError)
    assert len(rows(place, DECISIONS)) == 19


def test_a_call_that_was_given_up_is_not_written(tmp_path):
    place = str(tmp_path / "m.db")
    memory, begun = noting(place)
    other = sqlite3.connect(place, isolation_level=None)

    async def run():
        other.execute("BEGIN IMMEDIATE")
        first = asyncio.create_task(memory.decide(decision("first")))
        assert await asyncio.to_thread(begun.wait, LONG_S)  # taken, and held up
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(memory.decide(decision("late")), 0.1)
        other.execute("COMMIT")
        await first
        await memory.close()

    asyncio.run(run())
    other.close()
    assert [row["request_id"] for row in rows(place, DECISIONS)] == ["first"]


def test_a_locked_file_is_told_and_does_not_end_the_memory(tmp_path, monkeypatch):
    monkeypatch.setattr("arms.traffic.store.WAIT_S", 0.1)
    place = str(tmp_path / "m.db")
    memory = open_memory(place)
    other = sqlite3.connect(place, isolation_level=None)

    async def run():
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(
            ArmsError, match=f"{place}: expected a database that can be written, got: database is locked; another"
        ):
            await memory.decide(decision())
        other.execute("COMMIT")
        await memory.decide(decision())
        await memory.close()

    asyncio.run(run())
    other.close()
    assert len(rows(place, DECISIONS)) == 1


def test_a_full_disk_is_told_and_loses_nothing_that_was_recorded(tmp_path):
    store = open_store(str(tmp_path / "m.db"), make=True)
    with store.engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA max_page_count = 60")  # SQLite's own stand-in for a full disk
    memory = DatabaseMemory(store, **{**NOTHING, "keep_images": True})

    async def run():
        await memory.decide(decision())
        with pytest.raises(ArmsError, match="database or disk is full; make room on the disk"):
            await memory.decide(decision("big", images=(bytes(400_000),)))
        await memory.decide(decision("small"))
        await memory.close()

    asyncio.run(run())
    assert [row["request_id"] for row in rows(str(tmp_path / "m.db"), DECISIONS)] == ["r0", "small"]


def test_too_much_that_waits_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("arms.serve.memory.writer.MOST_WAITING", 2)
    place = str(tmp_path / "m.db")
    memory, begun = noting(place)
    other = sqlite3.connect(place, isolation_level=None)

    async def run():
        other.execute("BEGIN IMMEDIATE")
        first = asyncio.create_task(memory.decide(decision("first")))
        assert await asyncio.to_thread(begun.wait, LONG_S)  # it is with the database
        calls = [asyncio.create_task(memory.decide(decision(f"r{number}"))) for number in range(3)]
        await asyncio.sleep(0)  # each has begun
        assert [call.done() for call in calls] == [False, False, True]
        with pytest.raises(ArmsError, match="full: 2 entries wait"):
            calls[2].result()
        other.execute("COMMIT")
        await asyncio.gather(first, *calls[:2])
        await memory.close()

    asyncio.run(run())
    other.close()
    assert len(rows(place, DECISIONS)) == 3


def test_closing_writes_what_waits_and_then_nothing_more(tmp_path):
    place = str(tmp_path / "m.db")
    memory = open_memory(place)

    async def run():
        calls = [asyncio.create_task(memory.decide(decision(f"r{number}"))) for number in range(300)]
        await asyncio.sleep(0)  # each has begun
        await memory.close()
        await memory.close()
        with pytest.raises(ArmsError, match="this one was closed"):
            await memory.decide(decision("late"))
        return await asyncio.gather(*calls)

    assert asyncio.run(run()) == [None] * 300
    assert len(rows(place, DECISIONS)) == 300


def test_a_memory_is_opened_again(place):
    for number in range(2):
        assert remember(open_memory(place), decision(f"r{number}")) == [None]
    assert len(rows(place, DECISIONS)) == 2


def test_no_memory_knows_no_request():
    results = remember(NoMemory(), decision(), answer(), feedback())
    assert results[:2] == [None, None]
    assert isinstance(results[2], ArmsError)


def test_the_tables_are_those_of_this_page():
    assert sorted(METADATA.tables) == [
        "arms_answers",
        "arms_decisions",
        "arms_feedback",
        "arms_memory",
        "arms_pictures",
        "arms_questions",
    ]
