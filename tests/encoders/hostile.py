"""Models and routers of a stranger."""

import json
import shutil
from pathlib import Path
from typing import Any

from arms.cli.completers import STARTER
from arms.routers.checkpoint import seal
from tests.fakes import tiny_tokenizer

COMMIT = "12040accade4e8a0f71eabdb258fecc2e7e948be"
_OWN_CODE = {
    "AutoConfig": "evil.EvilConfig",
    "AutoModel": "evil.EvilModel",
    "AutoTokenizer": ["evil.EvilTokenizer", "evil.EvilTokenizer"],
}


def hostile(folder: Path, **config: Any) -> Path:
    """A model's folder whose Python file leaves a trace when it runs."""
    folder.mkdir(parents=True)
    (folder / "evil.py").write_text(
        f"open({str(folder / 'trace')!r}, 'w').close()\n"
        "from transformers import PretrainedConfig as EvilConfig, PreTrainedModel as EvilModel\n"
        "from transformers import PreTrainedTokenizerFast as EvilTokenizer\n"
    )
    (folder / "config.json").write_text(json.dumps({"auto_map": _OWN_CODE, **config}))
    (folder / "tokenizer_config.json").write_text(json.dumps({"auto_map": _OWN_CODE, "tokenizer_class": "Evil"}))
    tiny_tokenizer().save(str(folder / "tokenizer.json"))
    return folder


def router_with(folder: Path, changes: dict[str, Any] | None = None, **settings: Any) -> Path:
    """The starter with a changed description, and with other settings of its encoders, sealed as one who knows how."""
    shutil.copytree(STARTER, folder)
    description = json.loads((folder / "router.json").read_text()) | (changes or {})
    for modality, changed in settings.items():
        description["encoders"][modality] |= changed
    (folder / "router.json").write_text(json.dumps(seal(description)))
    return folder
