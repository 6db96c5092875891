"""Models of transformers, for texts and for pictures, with their tokenizers and image processors."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import torch
from tokenizers import Tokenizer

from arms.encoders.origins import hub
from arms.encoders.pretrained.folders import OWN_CODE, digest_of, model_folder, naming, read_json
from arms.encoders.torchvision_guard import import_torchvision
from arms.errors import ArmsError

import_torchvision()

from transformers import (  # noqa: E402
    CONFIG_MAPPING,
    AutoConfig,
    AutoImageProcessor,
    AutoModel,
    AutoProcessor,
    AutoTokenizer,
    PreTrainedModel,
)
from transformers.utils import logging as hub_logging  # noqa: E402

_LOCAL: dict[str, Any] = {"trust_remote_code": False, "local_files_only": True}


class Loaded(NamedTuple):
    """A model in float32, the parameters that its files lack, a digest of its configuration, and its folder."""

    model: PreTrainedModel
    missing: tuple[str, ...] = ()
    config_sha256: str = ""
    folder: Path = Path()


def load_text_model(
    model: str, tokenizer: Tokenizer | None, *, download: bool, sha256: Mapping[str, str] | None = None
) -> tuple[Loaded, Tokenizer]:
    """A transformers model, and its tokenizer unless one is given.

    Parameters
    ----------
    model : str
        bundled, natural, a folder in the hub's layout, or a name on the hub with its commit.

    Raises
    ------
    ArmsError
        If it cannot be had, needs code of its own, or has a tokenizer that runs only in Python.
    """
    what = "text encoder"
    folder = model_folder(model, sha256, what, download=download)
    refuse_own_code(folder, f"{what} {model!r}")
    with naming(what, model), hub(reachable=False), without_bar():
        if tokenizer is None:
            tokenizer = fast_tokenizer(AutoTokenizer.from_pretrained(str(folder), **_LOCAL), model)
        return _load(folder, sha256), tokenizer


def load_image_model(model: str, *, download: bool, sha256: Mapping[str, str] | None) -> tuple[Loaded, Any]:
    """A transformers model of pictures, and its image processor; raises as `load_text_model`."""
    what = "image encoder"
    folder = model_folder(model, sha256, what, download=download)
    refuse_own_code(folder, f"{what} {model!r}")
    with naming(what, model), hub(reachable=False), without_bar():
        return _load(folder, sha256), AutoImageProcessor.from_pretrained(str(folder), **_LOCAL)


def load_joint_model(model: str, *, download: bool, sha256: Mapping[str, str] | None) -> tuple[Loaded, Any]:
    """A transformers model of pictures and texts together, and its processor; raises as `load_text_model`."""
    what = "joint encoder"
    folder = model_folder(model, sha256, what, download=download)
    refuse_own_code(folder, f"{what} {model!r}")
    with naming(what, model), hub(reachable=False), without_bar():
        return _load(folder, sha256), AutoProcessor.from_pretrained(str(folder), **_LOCAL)


def make_text_model(config: Mapping[str, Any]) -> PreTrainedModel:
    """A transformers model of a configuration as a saved router has it, its weights still to come."""
    harmless = {name: value for name, value in config.items() if not name.startswith("_")}
    try:
        with hub(reachable=False):
            made = _without_code(AutoConfig.for_model(**harmless))
            return AutoModel.from_config(made, trust_remote_code=False)
    except Exception as error:  # what a stranger's file holds makes the library raise errors of many types
        raise ArmsError(f"text encoder: its configuration cannot be used: {error}") from error


def load_tokenizer(folder: Path, what: str, model: str) -> Any:
    """The tokenizer in a folder, as transformers has it."""
    refuse_own_code(folder, f"{what} {model!r}")
    with naming(what, model), hub(reachable=False):
        return AutoTokenizer.from_pretrained(str(folder), **_LOCAL)


def _load(folder: Path, sha256: Mapping[str, str] | None) -> Loaded:
    pinned = {"use_safetensors": any(name.endswith(".safetensors") for name in sha256)} if sha256 else {}
    config = _without_code(AutoConfig.from_pretrained(str(folder), **_LOCAL))
    model, report = AutoModel.from_pretrained(
        str(folder), config=config, dtype=torch.float32, output_loading_info=True, **pinned, **_LOCAL
    )
    plain = read_json(folder / "config.json")
    return Loaded(model, tuple(sorted(report["missing_keys"])), digest_of(plain), folder)


def refuse_own_code(folder: Path, what: str) -> None:
    """Raise an ArmsError if a model is of no family that transformers knows, and so wants to run code of its own."""
    config = read_json(folder / "config.json")
    if config.get("auto_map") and config.get("model_type") not in CONFIG_MAPPING:
        wanted = ", ".join(sorted(map(str, config["auto_map"])))
        raise ArmsError(
            f"{what} could not be loaded: a {config.get('model_type')!r} model is of no family that transformers "
            f"knows, it wants to run code of its own ({wanted}). {OWN_CODE}; use a model of a known family"
        )


def _without_code(config: Any) -> Any:
    """A configuration that names no code: neither Python files of its repository, nor attention kernels of another."""
    if hasattr(config, "auto_map"):
        del config.auto_map
    config._attn_implementation = None
    return config


def fast_tokenizer(loaded: Any, model: str, what: str = "text encoder") -> Tokenizer:
    """The tokenizer behind one of transformers; an ArmsError if it runs only in Python."""
    if not loaded.is_fast:
        raise ArmsError(
            f"{what} {model!r}: its {type(loaded).__name__} runs only in Python; "
            "use a model that comes with a tokenizer.json"
        )
    return loaded.backend_tokenizer


@contextmanager
def without_bar() -> Iterator[None]:
    """Show no progress bar while a model is read from its folder, which takes no time; a download has its own."""
    shown = hub_logging.is_progress_bar_enabled()
    hub_logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            hub_logging.enable_progress_bar()
