"""The one place that has open_clip and transformers load models. No model's own code is ever run, or asked about.

`download` is true where settings name the model, and false where a saved router does; see `arms.encoders.origins`.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from huggingface_hub import hf_hub_download
from huggingface_hub.errors import EntryNotFoundError
from tokenizers import Tokenizer

from arms.encoders.bundled import BUNDLED, bundled_folder
from arms.encoders.origins import (
    HF_HUB,
    LOCAL_DIR,
    OPEN_CLIP_CONFIG,
    OPEN_CLIP_WEIGHTS,
    URL_CACHE,
    HubName,
    check_known,
    hub,
    is_path,
    know_path,
)
from arms.encoders.torchvision_guard import import_torchvision
from arms.errors import ArmsError

import_torchvision()

import open_clip  # noqa: E402
from transformers import AutoConfig, AutoModel, AutoTokenizer, PreTrainedModel  # noqa: E402
from transformers.utils import logging as hub_logging  # noqa: E402

_OWN_CODE = "ARMS runs no code that comes with a model"


def load_text_model(model: str, tokenizer: Tokenizer | None, *, download: bool) -> tuple[PreTrainedModel, Tokenizer]:
    """A transformers model in float32, and its tokenizer unless one is given.

    Parameters
    ----------
    model : str
        bundled, a folder in the hub's layout, or a name on the hub with its commit.

    Raises
    ------
    ArmsError
        If it cannot be had, needs code of its own, or has a tokenizer that runs only in Python.
    """
    place, source = _text_source(model, download)
    try:
        with hub(reachable=download), _without_bar(place):
            if tokenizer is None:
                tokenizer = _fast_tokenizer(AutoTokenizer.from_pretrained(place, **source), model)
            config = _without_code(AutoConfig.from_pretrained(place, **source))
            return AutoModel.from_pretrained(place, config=config, dtype=torch.float32, **source), tokenizer
    except (OSError, ValueError) as error:
        if not (download or is_path(place)):
            raise HubName.of(model).absence("text encoder") from error
        raise ArmsError(
            f"text encoder {model!r} could not be loaded: {error}\n"
            "Name a model on the Hugging Face hub, which is downloaded once, or a folder in the hub's layout. "
            f"{_OWN_CODE}."
        ) from error


def make_text_model(config: Mapping[str, Any]) -> PreTrainedModel:
    """A transformers model of a configuration as a saved router has it, its weights still to come."""
    harmless = {name: value for name, value in config.items() if not name.startswith("_")}
    try:
        with hub(reachable=False):
            made = _without_code(AutoConfig.for_model(**harmless))
            return AutoModel.from_config(made, trust_remote_code=False)
    except Exception as error:  # what a stranger's file holds makes the library raise errors of many types
        raise ArmsError(f"text encoder: its configuration cannot be used: {error}") from error


def load_open_clip(model: str, pretrained: str | None, *, load_weights: bool, download: bool) -> Any:
    """An open_clip model with both towers.

    Parameters
    ----------
    model : str
        bundled, an architecture that open_clip knows, `local-dir:` and a folder, or `hf-hub:` and a name with its
        commit.
    pretrained : str or None
        bundled, a tag of that architecture or a checkpoint's path; None starts from the seed.
    load_weights : bool
        False leaves the pretrained weights out.

    Raises
    ------
    ArmsError
        If the model is unknown, or its weights cannot be had.
    """
    # What open_clip knows of a tag: mean, deviation, and the activation that the weights were trained with. It would
    # otherwise guess the activation from the architecture's name (ViT-B-32 or ViT-B-32-quickgelu).
    tag = open_clip.get_pretrained_cfg(model.replace("/", "-"), pretrained or "")
    wanted = pretrained if load_weights and model != BUNDLED else None
    if wanted is not None:
        _check_weights(wanted, tag, download)
    try:
        with hub(reachable=download):
            return open_clip.create_model(
                _open_clip_name(model, download),
                pretrained=wanted,  # a tag's weights are downloaded even with load_weights=False
                load_weights=load_weights and pretrained is not None,
                require_pretrained=load_weights and pretrained is not None,
                force_quick_gelu=tag.get("quick_gelu", False),
                force_preprocess_cfg=tag,
            )
    except (RuntimeError, OSError, ValueError) as error:
        raise ArmsError(
            f"image encoder {model!r} with weights {pretrained!r} could not be loaded: {error}\n"
            "Name an open_clip architecture and one of its pretrained tags, or the path of a checkpoint file; "
            f"a tag is downloaded once, which needs a network.{'' if download else ' Loading a router asks no hub.'}"
        ) from error


def check_self_contained(config: Mapping[str, Any], what: str) -> None:
    """Raise an ArmsError if an open_clip configuration names a further model, which its library would go and load."""
    for tower, key in (("text_cfg", "hf_model_name"), ("vision_cfg", "timm_model_name")):
        if (other := (config.get(tower) or {}).get(key)) is not None:
            raise ArmsError(
                f"{what} names a further model, {key} {other!r}; use a VisionTransformer or ModifiedResNet that "
                "open_clip builds by itself"
            )


def _text_source(model: str, download: bool) -> tuple[str, dict[str, Any]]:
    """Where transformers finds a model, and the arguments of every call that asks it to."""
    source: dict[str, Any] = {"trust_remote_code": False, "local_files_only": True}
    if model == BUNDLED:
        return str(bundled_folder("text")), source
    if is_path(model):
        _settle(model, "text encoder", download)
        return model, source
    named = HubName.of(model)
    if download:
        named.check_pinned("text encoder")
    return named.name, source | {"revision": named.commit, "local_files_only": not download}


def _settle(path: str, what: str, download: bool) -> None:
    """A path that settings name is known from now on; one that a router names has to be."""
    if download:
        know_path(path)
    else:
        check_known(path, what)


def _without_code(config: Any) -> Any:
    """A configuration that names no code: neither Python files of its repository, nor attention kernels of another."""
    if hasattr(config, "auto_map"):
        del config.auto_map
    config._attn_implementation = None
    return config


def _fast_tokenizer(loaded: Any, model: str) -> Tokenizer:
    if not loaded.is_fast:
        raise ArmsError(
            f"text encoder {model!r}: its {type(loaded).__name__} runs only in Python; "
            "use a model that comes with a tokenizer.json"
        )
    return loaded.backend_tokenizer


@contextmanager
def _without_bar(place: str) -> Iterator[None]:
    """Show no progress bar while a model is read from a folder, which takes no time; a download keeps its bar."""
    shown = hub_logging.is_progress_bar_enabled()
    if Path(place).is_dir():
        hub_logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            hub_logging.enable_progress_bar()


def _check_weights(pretrained: str, tag: dict[str, Any], download: bool) -> None:
    """Check where weights come from that are no part of the model's own folder."""
    if not tag:
        if is_path(pretrained):
            _settle(pretrained, "image encoder's weights", download)
        return
    if not download and tag.get("url") and not (tag.get("hf_hub") or tag.get("file")):
        file = Path(URL_CACHE, Path(tag["url"]).name).expanduser()
        if not file.is_file():
            raise ArmsError(
                f"image encoder's weights {pretrained!r}: {file} is not on this machine, and loading a router "
                f"downloads nothing; if you trust it, put it there from {tag['url']}"
            )


def _open_clip_name(model: str, download: bool) -> str:
    """The model as open_clip is to look for it."""
    if model == BUNDLED:
        return f"{LOCAL_DIR}{bundled_folder('image')}"
    if model.startswith(HF_HUB):
        folder = _hub_folder(HubName.of(model.removeprefix(HF_HUB)), download)
    elif model.startswith(LOCAL_DIR):
        folder = model.removeprefix(LOCAL_DIR)
        _settle(folder, "image encoder", download)
    else:
        return model
    name = f"{LOCAL_DIR}{folder}"
    check_self_contained(open_clip.get_model_config(name), f"image encoder {model!r}")
    return name


def _hub_folder(named: HubName, download: bool) -> str:
    """The folder of an open_clip model in the hub's cache, with its configuration and weights."""
    if download:
        named.check_pinned("image encoder")
    place: dict[str, Any] = {"revision": named.commit, "local_files_only": not download}
    try:
        config = hf_hub_download(named.name, OPEN_CLIP_CONFIG, **place)
        for file in OPEN_CLIP_WEIGHTS:
            try:
                hf_hub_download(named.name, file, **place)
                break
            except EntryNotFoundError:  # no such file in the repository, or in the cache
                continue
    except EntryNotFoundError as error:
        if not download:
            raise named.absence("image encoder") from error
        raise
    return str(Path(config).parent)
