import pandas as pd
import pytest
from ruamel.yaml import YAML

from arms.data.profiles import VlmProfile
from arms.data.tables import OutcomeTables, write_dataset
from arms.importers.pool_settings import PoolGaps, find_pool_gaps, write_pool_settings
from arms.params.data import read_data_params

NAMES = ("gpt-4o", "null", "1.5", "yes", "a: b # c", "- d", "Über 模型 🦜", "x" * 200, "'q\"", "{z}", "2024-05-13")


@pytest.fixture
def project(tmp_path):
    """A project with a dataset of VLMs whose names YAML could take for something else."""
    (tmp_path / "conf/data").mkdir(parents=True)
    queries = {"query_id": "q", "benchmark": "b", "task": "t", "language": "en", "question": "?", "image": "i.png"}
    outcomes = pd.DataFrame({"query_id": "q", "vlm": list(NAMES), "correct": True})
    vlms = tuple(VlmProfile(name=name, access="free") for name in NAMES)
    answer = pd.Series([None], dtype="str")
    frame = pd.DataFrame([queries]).assign(answer=answer)
    write_dataset(OutcomeTables(tmp_path, frame, outcomes, vlms), tmp_path / "dataset")
    return tmp_path


def test_the_settings_are_read_back(project):
    path = write_pool_settings("mine", project / "dataset", 'Imported: #1 "x"', project)
    assert path == project / "conf/data/mine.yaml"
    params = read_data_params("mine", project)
    assert params.description == 'Imported: #1 "x"'
    assert tuple(params.pools.base) == NAMES
    assert (params.pools.new, params.ood.benchmarks, params.ood.tasks) == ([], [], [])
    assert (params.splits.val_share, params.splits.id_share, params.strict, params.sample) == (0.1, 0.2, False, None)
    assert path.read_text().startswith("# The pools and the splits of this dataset. ")


def test_dvc_rewrites_only_the_line_that_it_changes(project):
    from dvc.utils.hydra import apply_overrides

    path = write_pool_settings("mine", project / "dataset", f"Imported by some command: {'words ' * 40}", project)
    text = path.read_text()
    apply_overrides(path, ["splits.seed=2"])
    assert path.read_text() == text.replace("  seed: 1\n", "  seed: 2\n") != text


def test_settings_that_are_there_stay(project):
    path = project / "conf/data/mine.yaml"
    path.write_text("mine: own\n")
    assert write_pool_settings("mine", project / "dataset", "new", project) == path
    assert path.read_text() == "mine: own\n"
    assert [file.name for file in path.parent.iterdir()] == ["mine.yaml"]


def test_a_line_for_vlms_in_no_pool(project):
    path = write_pool_settings("mine", project / "dataset", "new", project)
    assert find_pool_gaps(path, project / "dataset") == PoolGaps(base=NAMES)
    assert find_pool_gaps(path, project / "dataset").text(path) == ""
    path.write_text("pools:\n  new: [gpt-4o, 2.5]\n")
    gaps = find_pool_gaps(path, project / "dataset")
    assert (gaps.unpooled, gaps.gone, gaps.base) == (NAMES[1:], ("2.5",), NAMES[1:])
    head, line = gaps.text(path).split("\n")
    assert head.startswith(f"{path} stays as it is. VLMs in no pool, and so left out: null, 1.5, ")
    assert YAML(typ="safe").load(line) == {"base": list(NAMES[1:])}, "it can be copied, whatever the names"


@pytest.mark.parametrize("content", ["", "pools: 3", "pools: [", "- a"])
def test_settings_that_say_nothing_of_pools(project, content):
    path = project / "conf/data/mine.yaml"
    path.write_text(content)
    assert find_pool_gaps(path, project / "dataset") == PoolGaps()


def test_outside_a_project(project, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    assert write_pool_settings("mine", project / "dataset", "new", elsewhere) is None
    assert list(elsewhere.iterdir()) == []
