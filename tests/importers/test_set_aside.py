import pandas as pd

from arms.data.validation_report import Finding
from arms.importers.set_aside import SetAside


def test_what_is_set_aside_is_counted_by_kind() -> None:
    aside = SetAside()
    for line in range(7):
        aside.add("broken line", f"a.jsonl, line {line}", "write it again", detail=f"got {line}")
    aside.add("broken run", "b/", "run it again", count=40)
    assert aside.count == 47
    lines, run = aside.findings()
    examples = tuple({"where": f"a.jsonl, line {line}", "detail": f"got {line}"} for line in range(5))
    assert lines == Finding("broken line", "source", 7, examples, "write it again", True)
    assert run == Finding("broken run", "source", 40, ({"where": "b/", "detail": None},), "run it again", True)


def test_the_table_holds_every_one() -> None:
    aside = SetAside()
    for line in range(7):
        aside.add("broken line", f"line {line}", "write it again")
    aside.add("broken run", "b/", "run it again", detail="no end", count=40)
    aside.note("odd name", "c", "look at it")
    table = aside.table()
    assert table.columns.tolist() == ["where", "reason", "detail", "rows"]
    assert table.iloc[-1].tolist() == ["b/", "broken run", "no end", 40]
    assert (len(table), table["rows"].sum()) == (8, aside.count)


def test_notes_do_not_count() -> None:
    aside = SetAside()
    aside.note("odd", "here", "look at it", detail="x", count=3)
    assert aside.count == 0
    assert aside.table().empty
    assert aside.findings() == (Finding("odd", "source", 3, ({"where": "here", "detail": "x"},), "look at it", False),)


def test_one_kind_may_be_noted_and_set_aside() -> None:
    aside = SetAside()
    aside.note("odd", "here", "look at it")
    aside.add("odd", "there", "remove it")
    aside.note("odd", "elsewhere", "look at it")
    assert [(found.count, found.set_aside, found.advice) for found in aside.findings()] == [
        (2, False, "look at it"),
        (1, True, "remove it"),
    ]
    assert aside.count == 1


def test_nothing_set_aside() -> None:
    aside = SetAside()
    assert (aside.count, aside.findings()) == (0, ())
    pd.testing.assert_frame_equal(aside.table(), aside.table().astype({"where": "str", "rows": "int64"}))


def test_texts_are_cut_and_can_be_written() -> None:
    aside = SetAside()
    aside.add("broken \ud800", "caf\udce9/a.json", "do \udfff", detail="x" * 1_000_000)
    (found,) = aside.findings()
    assert (found.kind, found.advice) == ("broken ?", "do ?")
    assert found.rows == ({"where": "caf?/a.json", "detail": "x" * 1000 + "..."},)
    assert aside.table().iloc[0].tolist() == ["caf?/a.json", "broken ?", "x" * 1000 + "...", 1]


def test_text() -> None:
    aside = SetAside()
    assert aside.text() == ""
    aside.add("broken row", "a.jsonl, line 3", "write it again", detail="no JSON", count=2)
    aside.add("broken row", "a.jsonl, line 4", "write it again")
    aside.note("older run", "b.jsonl", "nothing")
    aside.add("run without a name", "c.jsonl", "name it")
    assert aside.text().splitlines() == [
        "3 set aside: broken row (a.jsonl, line 3: no JSON); write it again",
        "1 set aside: run without a name (c.jsonl); name it",
    ]
