"""The router of one's own that pages show learns what there is to learn."""

import re

import numpy as np
import pytest
from ruamel.yaml import YAML

from arms.baselines import registry
from arms.baselines.registry import build_router
from tests.baselines.made_vectors import VLMS, learnable
from tests.docs.markdown import read_blocks
from tests.pipeline import ROOT


@pytest.mark.parametrize("page", ["README.md", "docs/add-a-router.md"])
def test_the_router_of_ones_own(page, tmp_path, monkeypatch):
    blocks = read_blocks((ROOT / page).read_text(encoding="utf-8"))
    (code,) = [block.text for block in blocks if block.language == "python" and "EmbeddingRouter" in block.text]
    (line,) = [block.text for block in blocks if block.language == "toml" and registry.ENTRY_POINTS in block.text]
    (settings,) = [block.text for block in blocks if block.language == "yaml" and "baselines:" in block.text]
    name, target = re.search(r'^(\S+) = "(\S+)"$', line, flags=re.MULTILINE).groups()
    (tmp_path / f"{target.partition(':')[0]}.py").write_text(code)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(registry.ROUTERS, name, target)
    baselines = YAML(typ="safe").load(settings)["baselines"]
    router = build_router(name, VLMS, baselines[name] | {"features": "concat"}, seed=1)
    (train, outcomes), (test, test_outcomes) = learnable(300, 0), learnable(100, 1)
    chosen = router.fit(train, outcomes).score(test).argmax(axis=1)
    em = test_outcomes[np.arange(len(chosen)), chosen].mean()
    assert em > 0.9 > test_outcomes.mean(axis=0).max()
