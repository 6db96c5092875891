import base64
import json
from pathlib import Path

import pandas as pd

from tests.importers.logs.vlmevalkit import hit, image, question, write_tsv
from tests.importers.logs.vlmevalkit_case import Log


def test_rows_whose_image_cannot_be_had(log: Log) -> None:
    cells = {1: image(1), 2: f"['{image(1)}', '{image(2)}']", 3: "9", 4: "5", 5: "4", 6: "", 8: "A" * 80}
    rows = [question(number, image=cell) for number, cell in cells.items()]
    write_tsv(log.tsvs / "MMStar.tsv", rows)
    log.result("M", "MMStar_openai_result", *map(hit, range(1, 9)))
    found = log.read()
    assert found.verdicts() == {"MMStar/1": True, "MMStar/2": True}
    assert len(found.queries.loc["MMStar/2", "images"]) == 2
    set_aside = pd.read_parquet(found.folder / "set_aside/queries.parquet").set_index("query_id")["reason"]
    file = log.tsvs / "MMStar.tsv"
    assert set_aside.to_dict() == {
        "MMStar/3": f"no image in the log: {file} has no row 9, whose image row 3 shares",
        "MMStar/4": "no image in the log: rows that share each other's images: 4, 5, 4",
        "MMStar/5": "no image in the log: rows that share each other's images: 5, 4, 5",
        "MMStar/6": f"no image in the log: row 6 of {file} has no image",
        "MMStar/7": f"no image in the log: {file} has no row 7",
        "MMStar/8": set_aside["MMStar/8"],
    }
    assert set_aside["MMStar/8"].startswith("unreadable image: ")
    assert (found.report.images_found, found.report.images_lost) == (2, 6)


def save_image(path: Path, number: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(base64.b64decode(image(number)))


def test_images_by_their_paths(log: Log) -> None:
    rows = [question(1, image_path="/data/LMUData/images/MMStar/1.png"), question(2, image_path="['MMStar/2.png']")]
    write_tsv(log.tsvs / "MMStar_local.tsv", [*rows, question(3, image_path="../../secret.png")])
    for number in (1, 2):
        save_image(log.tsvs / f"images/MMStar/{number}.png", number)
    save_image(log.folder / "secret.png", 3)
    log.result("M", "MMStar_openai_result", hit(1), hit(2), hit(3))
    found = log.read(log.outputs, tsv=(str(log.tsvs),), options={"image_prefixes": ("/data/LMUData",)})
    assert [found.pixel(f"MMStar/{number}") for number in (1, 2)] == [1, 2]
    assert found.findings()["image path with '..'"] == 1


def test_paths_in_the_result_file_where_there_is_no_tsv(log: Log) -> None:
    save_image(log.outputs / "pictures/1.png", 1)
    paths = ["pictures/1.png", "['pictures/1.png']", "['pictures/1.png', 'b.png']", "[broken]", None]
    rows = [hit(number, image_path=path) for number, path in enumerate(paths)]
    log.result("M", "MMStar_openai_result", *rows)
    found = log.read(log.outputs)
    assert [found.pixel(query) for query in found.verdicts()] == [1, 1]
    assert found.rows("benchmark without its TSV") == [{"where": "MMStar", "detail": None}]
    set_aside = pd.read_parquet(found.folder / "set_aside/queries.parquet").set_index("query_id")["reason"]
    assert set_aside.to_dict() == {
        "MMStar/2": set_aside["MMStar/2"],
        "MMStar/3": "no image in the log: expected a list of quoted texts, got '[broken]'...",
        "MMStar/4": "no image in the log: the TSV of MMStar is not at hand",
    }
    assert set_aside["MMStar/2"].startswith("missing image file: b.png is not in ")


def test_tsv_that_is_none(log: Log) -> None:
    log.result("M", "MMStar_openai_result", hit(1, image_path="1.png"))
    log.result("M", "POPE_openai_result", hit(1))
    log.tsv("POPE", 1)
    save_image(log.outputs / "1.png", 1)
    (log.folder / "x.tsv").write_text("index\tquestion\n1\tWhat?\n")
    found = log.read(tsv=(f"MMStar={log.folder / 'x.tsv'}",))
    assert found.verdicts() == {"MMStar/1": True, "POPE/1": True}
    assert found.findings()["benchmark's TSV that cannot be read"] == 1


def test_only_images_that_are_needed_are_decoded(log: Log) -> None:
    log.tsv("MMStar", *range(20))
    log.tsv("POPE", *range(20))
    log.result("M", "MMStar_openai_result", hit(3), hit(4))
    found = log.read()
    assert found.report.images_found == 2
    assert len([*(found.folder / "images").iterdir()]) == 2


def test_texts_that_utf_8_cannot_hold(log: Log) -> None:
    lines = [b"index\timage", b"1\t" + image(1).encode(), b"2\t\xff", b"\xfe\t" + image(3).encode()]
    log.tsvs.mkdir()
    (log.tsvs / "MMStar.tsv").write_bytes(b"\n".join(lines))
    path = log.result("M", "MMStar_openai_result", hit(1), ending="json")
    path.write_text(json.dumps([hit(1), hit(2), hit(3, index="\ud800", image_path="\ud800.png")]))
    found = log.read()
    assert found.verdicts() == {"MMStar/1": True}
    set_aside = pd.read_parquet(found.folder / "set_aside/queries.parquet").set_index("query_id")["reason"]
    assert set_aside["MMStar/2"].endswith("MMStar.tsv has no row ?, whose image row 2 shares")
    assert set_aside["MMStar/\ufffd"].startswith("missing image file: \ufffd.png")
