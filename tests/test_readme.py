"""What the README shows works."""

import re
from pathlib import Path

import numpy as np
from ruamel.yaml import YAML

from arms.routers import registry
from arms.routers.registry import build_router
from tests.routers.made_vectors import VLMS, learnable

README = Path(__file__).resolve().parents[1] / "README.md"


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", README.read_text(encoding="utf-8"), flags=re.DOTALL)


def test_the_router_of_ones_own(tmp_path, monkeypatch):
    (code,) = [block for block in blocks("python") if "EmbeddingRouter" in block]
    (line,) = [block for block in blocks("toml") if registry.ENTRY_POINTS in block]
    (settings,) = [block for block in blocks("yaml") if block.startswith("baselines:")]
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
