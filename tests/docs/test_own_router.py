"""The router of one's own that a page shows learns what there is to learn."""

import re

import numpy as np
from ruamel.yaml import YAML

from arms.baselines import registry
from arms.baselines.registry import build_router
from tests.baselines.made_vectors import VLMS, em_on, learnable
from tests.docs.markdown import read_blocks
from tests.pipeline import ROOT


def test_the_router_of_ones_own(tmp_path, monkeypatch):
    blocks = read_blocks((ROOT / "docs/add-a-router.md").read_text(encoding="utf-8"))
    (code,) = [block.text for block in blocks if block.language == "python" and "EmbeddingRouter" in block.text]
    (line,) = [block.text for block in blocks if block.language == "toml" and registry.ENTRY_POINTS in block.text]
    (settings,) = [block.text for block in blocks if block.language == "yaml" and "baselines:" in block.text]
    name, target = re.search(r'^(\S+) = "(\S+)"$', line, flags=re.MULTILINE).groups()
    (tmp_path / f"{target.partition(':')[0]}.py").write_text(code)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(registry.ROUTERS, name, target)
    baselines = YAML(typ="safe").load(settings)["baselines"]
    router = build_router(name, VLMS, baselines[name] | {"features": "concat"}, seed=1)
    train, test = learnable(300, 0), learnable(100, 1)
    assert em_on(test, router.fit(train)) > 0.9 > np.mean(test.outcomes, axis=0).max()
