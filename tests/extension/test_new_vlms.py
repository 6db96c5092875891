import re

import numpy as np
import pandas as pd
import pytest

from arms.data.profiles import VlmProfile, read_vlms
from arms.errors import ArmsError
from arms.extension.new_vlms import join_new_vlms, read_new_outcomes, read_profiles
from tests.cached import NEW, OLD, make_prepared, new_outcomes

ENTRY = "name: painter\naccess: paid\nprice_in: 5\nprice_out: 15\nvision_model: Brush\nreleased: 2026-05-13\n"


class TestProfiles:
    def test_an_entry_by_itself(self, tmp_path):
        (tmp_path / "new.yaml").write_text(ENTRY)
        (tmp_path / "list.yaml").write_text("- " + ENTRY.replace("\n", "\n  ").rstrip())
        (profile,) = read_profiles(tmp_path / "new.yaml")
        assert (profile.name, profile.price_out, profile.released) == ("painter", 15.0, "2026-05-13")
        assert read_profiles(tmp_path / "list.yaml") == read_vlms(tmp_path / "list.yaml") == (profile,)

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("name: painter\n", "new.yaml (painter): key 'access' is missing"),
            ("name: painter\naccess: paid\nprice: 3\n", "new.yaml (painter): unknown key 'price'; known: name, "),
            ("name: painter\naccess: rented\n", "new.yaml (painter): access: expected one of free, paid, got 'rented'"),
            ("- name: painter\n", "new.yaml, entry 1 (painter): key 'access' is missing"),
            ("painter\n", "new.yaml: expected a list of VLM profiles"),
            ("", "new.yaml: expected a list of VLM profiles, each starting with '- name:', got an empty file"),
            ("{", "new.yaml: expected a YAML list of VLM profiles, could not read it"),
        ],
    )
    def test_unusable(self, tmp_path, text, message):
        (tmp_path / "new.yaml").write_text(text)
        with pytest.raises(ArmsError, match=re.escape(message)):
            read_profiles(tmp_path / "new.yaml")

    def test_no_file(self, tmp_path):
        with pytest.raises(ArmsError, match="got no such file"):
            read_profiles(tmp_path / "new.yaml")


def read(path, vlms=("painter",)):
    return read_new_outcomes(path, vlms, make_prepared())


class TestOutcomes:
    def test_parquet_and_csv_alike(self, tmp_path):
        table = new_outcomes("train", "ood")
        table.assign(output="five", cost_usd=0.01).to_parquet(tmp_path / "a.parquet")
        table.assign(note="x")[["note", "correct", "vlm", "query_id"]].to_csv(tmp_path / "a.csv")
        table.assign(correct=table["correct"].astype(int)).to_csv(tmp_path / "numbers.csv", index=False)
        for name in ("a.parquet", "a.csv", "numbers.csv"):
            outcomes, set_aside = read(tmp_path / name)
            assert set_aside == {}
            assert outcomes["correct"].dtype == bool
            for column in ("query_id", "vlm", "correct"):
                assert outcomes[column].tolist() == table[column].tolist()

    def test_set_aside(self, tmp_path):
        lines = ["query_id,vlm,correct", "q1,painter,True", "NA,painter,True", ",painter,False", "q2,painter,"]
        (tmp_path / "a.csv").write_text("\n".join(lines))
        outcomes, set_aside = read(tmp_path / "a.csv")
        assert outcomes.to_numpy().tolist() == [["q1", "painter", True]]
        assert set_aside == {"query not in the prepared dataset": 2, "correct neither true nor false": 1}

    def test_numbers_that_are_no_verdict(self, tmp_path):
        pd.DataFrame({"query_id": ["q1", "q2"], "vlm": "painter", "correct": [1.0, 0.5]}).to_parquet(
            tmp_path / "a.parquet"
        )
        outcomes, set_aside = read(tmp_path / "a.parquet")
        assert (len(outcomes), set_aside) == (1, {"correct neither true nor false": 1})

    def test_none_at_all(self, tmp_path):
        (tmp_path / "a.csv").write_text("query_id,vlm,correct\n")
        outcomes, set_aside = read(tmp_path / "a.csv")
        assert (len(outcomes), set_aside) == (0, {})

    def test_another_dataset(self, tmp_path):
        table = new_outcomes("train")
        table.assign(query_id="x" + table["query_id"]).to_csv(tmp_path / "a.csv", index=False)
        message = "expected queries of the prepared dataset, such as 'q0', got only others, such as 'xq0'; set data in"
        with pytest.raises(ArmsError, match=re.escape(message)):
            read(tmp_path / "a.csv")

    def test_no_file_is_no_outcomes(self):
        outcomes, set_aside = read(None)
        assert (list(outcomes.columns), len(outcomes), set_aside) == (["query_id", "vlm", "correct"], 0, {})

    def test_another_vlm(self, tmp_path):
        pd.concat([new_outcomes("train"), new_outcomes("val").assign(vlm="paintr")]).to_parquet(tmp_path / "a.parquet")
        message = "column 'vlm': expected the VLMs that the profiles describe, painter, got 'paintr' (12 rows)"
        with pytest.raises(ArmsError, match=re.escape(message)):
            read(tmp_path / "a.parquet")
        assert len(read(tmp_path / "a.parquet", ("painter", "paintr"))[0]) == 48

    def test_twice(self, tmp_path):
        table = new_outcomes("train")
        pd.concat([table, table[:3]]).to_parquet(tmp_path / "a.parquet")
        with pytest.raises(ArmsError, match="expected one row per query_id and vlm, got 3 rows too many; remove them"):
            read(tmp_path / "a.parquet")

    @pytest.mark.parametrize(
        ("name", "content", "message"),
        [
            ("a.parquet", None, "expected a Parquet file with columns query_id, vlm, correct"),
            ("a.parquet", "query_id", "could not read it as Parquet"),
            ("a.csv", None, "expected CSV with columns query_id, vlm, correct, could not read it"),
            ("a.csv", "", "expected CSV with columns query_id, vlm, correct, could not read it: No columns"),
            ("a.csv", "query_id,vlm\nq1,painter\n", "column 'correct' is missing"),
            ("a.csv", "query_id,vlm,correct\nq1,painter,yes\n", "column 'correct': expected true or false"),
        ],
    )
    def test_unusable(self, tmp_path, name, content, message):
        if content is not None:
            (tmp_path / name).write_text(content)
        with pytest.raises(ArmsError, match=re.escape(message)):
            read(tmp_path / name)


class TestJoin:
    def test_the_pool_is_the_routers(self):
        prepared, stranger = make_prepared(), VlmProfile(name="stranger", access="free")
        pool = (OLD[1], stranger)
        joined = join_new_vlms(prepared, pool, [NEW], new_outcomes("train", "val"))
        assert (joined.base, joined.new, joined.vlms) == (("reader-7b", "stranger"), ("painter",), (*pool, NEW))
        ids = prepared.queries["query_id"]
        matrix = joined.outcome_matrix(ids, joined.extended)
        np.testing.assert_array_equal(matrix[:, 0], prepared.outcome_matrix(ids, ["reader-7b"])[:, 0])
        assert np.isnan(matrix[:, 1]).all()
        expected = new_outcomes("train", "val").set_index("query_id")["correct"].reindex(ids)
        np.testing.assert_array_equal(matrix[:, 2], expected.astype(float))
        assert prepared.base == ("counter-2b", "reader-7b")

    def test_new_outcomes_replace_recorded_ones(self):
        prepared = make_prepared()
        joined = join_new_vlms(prepared, OLD[:1], OLD[1:], new_outcomes("train").assign(vlm="reader-7b"))
        known = ~np.isnan(joined.outcome_matrix(prepared.queries["query_id"], ["reader-7b"]))
        assert known.sum() == 36
