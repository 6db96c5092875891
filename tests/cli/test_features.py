import re

import numpy as np
import pytest

from arms.features.store import FeatureStore
from tests.cli.helpers import check_failed, run, run_json
from tests.stores import flip, keys, sequences

IMAGES = {"modality": "image", "arrays": ["pixels"]}
TEXTS = {"modality": "text", "arrays": ["states"], "encoder": "toy", "blocks_frozen": 2, "precision": "bfloat16"}


@pytest.fixture
def stores(tmp_path, monkeypatch):
    """Beside the working directory's data/features: pixels of images, states of texts, and an extraction stopped."""
    monkeypatch.chdir(tmp_path)
    images, texts, stopped = (
        FeatureStore(tmp_path / "data/features/sample" / name, fingerprint)
        for name, fingerprint in (
            ("bundled/image.zarr", IMAGES),
            ("other/text.zarr", TEXTS),
            ("bundled/image.zarr", {**IMAGES, "size": [8, 8]}),
        )
    )
    for store, shards in (
        (images, [{"pixels": np.zeros((2000, 3, 4, 4), np.uint8)}, {"pixels": np.ones((500, 3, 4, 4), np.uint8)}]),
        (texts, [{"states": sequences(3, 1)}]),
        (stopped, [{"pixels": np.ones((2, 3, 8, 8), np.uint8)}]),
    ):
        with store.writing():
            for number, shard in enumerate(shards):
                (array,) = shard.values()
                store.write_shard(keys(*range(2000 * number, 2000 * number + len(array))), shard)
            if store is not stopped:
                store.finish()
    return images, texts, stopped


def place(store):
    return store.folder.relative_to(store.path.parents[4])


class TestFeaturesInfo:
    def test_to_read(self, stores):
        images, texts, stopped = stores
        result = run("features", "info", "data/features/sample/other")
        assert result.exit_code == 0, result.output
        assert result.output.splitlines() == [
            str(place(texts)),
            "  encoder   toy, 2 blocks frozen, bfloat16",
            "  arrays    states float16[3]",
            "  rows      2 in 1 shard",
            "  size      112 bytes, 56 bytes a row",
            "  finished  yes",
        ]
        blocks = run("features", "info").output.split("\n\n")
        assert [block.splitlines()[0] for block in blocks] == sorted(map(str, map(place, stores)))
        block = next(block for block in blocks if block.startswith(str(place(images))))
        assert "  encoder   inputs\n  arrays    pixels uint8[3, 4, 4]\n" in block
        assert "  rows      2,500 in 2 shards\n  size      195.3 KiB, 80 bytes a row\n  finished  yes" in block
        block = next(block for block in blocks if block.startswith(str(place(stopped))))
        assert "  finished  no: the extraction was stopped; run: dvc repro encode" in block

    def test_json(self, stores):
        images, _, _ = stores
        found = {store["fingerprint"]: store for store in run_json("features", "info", images.path)}
        assert {store["finished"] for store in found.values()} == {True, False}
        assert found[images.folder.name] == {
            "path": str(images.path),
            "fingerprint": images.folder.name,
            "encoder": "inputs",
            "blocks_frozen": None,
            "precision": None,
            "arrays": {"pixels": "uint8[3, 4, 4]"},
            "rows": 2500,
            "bytes": 200_000,
            "bytes_per_row": 80,
            "shards": 2,
            "finished": True,
        }

    def test_a_damaged_store_among_others(self, stores):
        images, texts, _ = stores
        (texts.folder / "shard-00000/states/c/0/0").unlink()
        (images.folder / "zarr.json").write_text("{")
        result = run("features", "info")
        assert result.exit_code == 1
        blocks = {block.splitlines()[0]: block.splitlines()[1] for block in result.output.split("\n\n")}
        assert len(blocks) == 3
        assert blocks[str(place(texts))].startswith(f"  error     {place(texts)}/shard-00000 is damaged: states: ")
        assert blocks[str(place(images))].startswith(f"  error     {place(images)}/zarr.json: not a feature store's")
        found = {store["fingerprint"]: store.get("error", "") for store in run_json("features", "info", exit_code=1)}
        assert "is damaged" in found[texts.folder.name]
        assert sum(map(bool, found.values())) == 2

    @pytest.mark.parametrize("command", ["info", "verify"])
    def test_no_stores(self, tmp_path, command):
        found = "expected feature stores (*.zarr) there, found none; run: dvc repro encode"
        check_failed(run("features", command, tmp_path), f"{tmp_path}: {found}")
        check_failed(run("features", command, tmp_path / "x.zarr"), f"x.zarr: {found}")


class TestFeaturesVerify:
    def test_all_is_well(self, stores):
        _, texts, stopped = stores
        with stopped.writing():
            stopped.finish()
        result = run("features", "verify")
        assert result.exit_code == 0, result.output
        assert re.fullmatch(
            r"checked 3 stores, 4 shards, 2,504 rows, 195\.9 KiB in \d+\.\d s \([0-9.]+ [KMG]iB/s\): 0 problems\n",
            result.output,
        )
        result = run("features", "verify", texts.path)
        assert result.output.startswith("checked 1 store, 1 shard, 2 rows, 112 bytes in ")

    def test_json(self, stores):
        images, texts, _ = stores
        found = run_json("features", "verify", images.path.parents[1] / "other")
        assert found == {"stores": 1, "shards": 1, "rows": 2, "bytes": 112, "problems": []}
        flip(texts.folder / "shard-00000/states/c/0/0", 7)
        found = run_json("features", "verify", texts.path, exit_code=1)
        assert (found["stores"], found["rows"]) == (1, 2)
        (problem,) = found["problems"]
        assert problem.startswith(f"{texts.folder}/shard-00000 is damaged: states")

    def test_every_problem_is_told(self, stores):
        images, texts, stopped = stores
        for shard in ("shard-00000", "shard-00001"):
            flip(images.folder / shard / "pixels/c/0/0/0/0", 7)
        (texts.folder / "zarr.json").unlink()
        result = run("features", "verify")
        assert result.exit_code == 1
        *problems, summary = result.output.splitlines()
        checksum = "is damaged: pixels/c/0/0/0/0: its bytes do not match their checksum; delete this folder and run: "
        begin = [
            f"{place(images)}/shard-00000 {checksum}",
            f"{place(images)}/shard-00001 {checksum}",
            f"{place(texts)}/zarr.json: not a feature store's metadata: ",
            f"{place(stopped).parent}: the extraction was stopped before it ended; run: ",
        ]
        assert len(problems) == len(begin)
        for start in begin:
            (problem,) = (problem for problem in problems if problem.startswith(start))
            assert problem.endswith("run: dvc repro encode")
        assert summary.startswith("checked 3 stores, 3 shards, 2,502 rows, ")
        assert summary.endswith(": 4 problems")
