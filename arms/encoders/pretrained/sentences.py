"""Models of sentence-transformers, of the extra `arms[sentences]`."""

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from arms.encoders.origins import hub
from arms.encoders.pretrained.folders import OWN_CODE, digest_of, model_folder, naming, read_json
from arms.encoders.pretrained.transformers_models import refuse_own_code, without_bar
from arms.errors import ArmsError

_WHAT = "text encoder"
_LIBRARY = "sentence_transformers."
_MODULES = "modules.json"
_TRUST = "trust_remote_code"


def load_sentence_model(model: str, *, download: bool, sha256: Mapping[str, str] | None) -> tuple[Any, str]:
    """A model of sentence-transformers in float32 on the CPU, and a digest of its configurations.

    Parameters
    ----------
    model : str
        natural, a folder in the library's layout, or a name on the hub with its commit.

    Raises
    ------
    ArmsError
        If the library is not installed, or the model cannot be had or has modules of its own.
    """
    if find_spec("sentence_transformers") is None:
        raise ArmsError(
            f"{_WHAT} {model!r}: library sentence-transformers is not installed; run: pip install 'arms[sentences]'"
        )
    folder = model_folder(model, sha256, _WHAT, download=download)
    _refuse_own_modules(folder, f"{_WHAT} {model!r}")
    with naming(_WHAT, model), hub(reachable=False), without_bar():
        from sentence_transformers import SentenceTransformer

        # The library reads safetensors, or has torch read tensors only.
        loaded = SentenceTransformer(str(folder), device="cpu", trust_remote_code=False, local_files_only=True)
    return loaded.float().eval(), digest_of(_configurations(folder))


def _refuse_own_modules(folder: Path, what: str) -> None:
    """Raise an ArmsError if a model wants to run code: modules, or a family, that no library knows."""
    listed = read_json(folder / _MODULES).get("", [])
    types = [str(module.get("type")) for module in listed if isinstance(module, dict)]
    if foreign := sorted(name for name in types if not name.startswith(_LIBRARY)):
        raise ArmsError(
            f"{what} could not be loaded: it wants to run modules of its own ({', '.join(foreign)}). {OWN_CODE}; use a "
            "model of sentence-transformers' own modules"
        )
    for file in sorted(folder.rglob("*.json")):
        if file.stat().st_size < 2**20 and f'"{_TRUST}": true' in file.read_text(encoding="utf-8", errors="replace"):
            raise ArmsError(f"{what} could not be loaded: {file.name} asks to run code that comes with it. {OWN_CODE}.")
    for config in (folder, *(part for part in sorted(folder.iterdir()) if part.is_dir())):
        refuse_own_code(config, what)


def _configurations(folder: Path) -> dict[str, Any]:
    """All that says how the modules compute, by file."""
    files = [folder / name for name in (_MODULES, "config.json", "sentence_bert_config.json")]
    files += sorted(folder.glob("*/config.json"))
    return {file.relative_to(folder).as_posix(): read_json(file) for file in files if file.is_file()}
