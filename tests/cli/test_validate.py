from tests.cli.helpers import check_failed, run, run_json


def test_to_read(source):
    result = run("validate", source)
    assert result.exit_code == 0, result.output
    assert "queries: 5 kept, 1 set aside" in result.stdout
    assert "no language" in result.stdout


def test_json(source):
    report = run_json("validate", source, "--workers", 1)
    assert report["queries"] == {"kept": 5, "set_aside": 1}
    assert report["outcomes"] == {"kept": 15, "set_aside": 3}
    assert {finding["kind"]: finding["count"] for finding in report["findings"]} == {
        "no language": 1,
        "query set aside": 3,
    }


def test_strict(source):
    check_failed(run("validate", source, "--strict"), "expected every row to be usable")
    check_failed(run("validate", source, "--strict", "--json"), "expected every row to be usable")


def test_no_dataset(tmp_path):
    check_failed(run("validate", tmp_path / "none"), "none: expected a dataset folder with queries.parquet")


def test_workers(source):
    result = run("validate", source, "--workers", 0)
    assert result.exit_code == 2
    assert "0 is not in the range x>=1" in result.stderr
