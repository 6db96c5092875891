"""A stage lists the sections of the preset that it reads, so that a change in a preset runs it again, and no other."""

import pytest
from ruamel.yaml import YAML

from arms.params.tree import PresetParams
from tests.pipeline import ROOT

PRESET = "conf/presets/${preset}.yaml"


def read_params_of(file):
    """The keys that each stage lists, by settings file."""
    stages = YAML(typ="safe").load(file)["stages"]
    found = {}
    for name, stage in stages.items():
        entries = stage.get("do", stage).get("params", [])
        found[f"{file.relative_to(ROOT)}: {name}"] = {path: keys for entry in entries for path, keys in entry.items()}
    return found


STAGES = {name: of for file in ("dvc.yaml", "studies/dvc.yaml") for name, of in read_params_of(ROOT / file).items()}


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_lists_the_presets_sections_as_those_of_params_yaml(stage):
    own = STAGES[stage].get("params.yaml", [])
    sections = {key.partition(".")[0] for key in own} & set(PresetParams.model_fields)
    assert set(STAGES[stage].get(PRESET, [])) == sections
    assert not sections or "preset" in own


def test_some_stages_list_them():
    assert sum(PRESET in of for of in STAGES.values()) > 8
