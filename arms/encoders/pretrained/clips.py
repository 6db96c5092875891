"""Models of open_clip, both towers."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from huggingface_hub import hf_hub_download
from huggingface_hub.errors import EntryNotFoundError, HFValidationError

from arms.encoders.bundled import BUNDLED
from arms.encoders.origins import HF_HUB, LOCAL_DIR, OPEN_CLIP_WEIGHTS, URL_CACHE, HubName, hub, is_path
from arms.encoders.pretrained.folders import check_files, check_hashes, model_folder, settle
from arms.encoders.torchvision_guard import import_torchvision
from arms.errors import ArmsError

import_torchvision()

import open_clip  # noqa: E402
import timm  # noqa: E402


def load_open_clip(
    model: str,
    pretrained: str | None,
    *,
    load_weights: bool,
    download: bool,
    sha256: Mapping[str, str] | None = None,
    what: str = "image encoder",
) -> Any:
    """An open_clip model with both towers.

    Parameters
    ----------
    model : str
        bundled, an architecture that open_clip knows, `local-dir:` and a folder, or `hf-hub:` and a name with its
        commit.
    pretrained : str or None
        bundled, a tag of that architecture with its commit or a checkpoint's path; beside a folder or a name on the hub
        anything, as the weights are there. None starts from the seed.
    load_weights : bool
        False leaves the pretrained weights out.
    sha256 : mapping of str to str, optional
        Of the files with weights.

    Raises
    ------
    ArmsError
        If the model is unknown, or its weights cannot be had.
    """
    # What open_clip knows of a tag: mean, deviation, and the activation that the weights were trained with. It would
    # otherwise guess the activation from the architecture's name (ViT-B-32 or ViT-B-32-quickgelu).
    tag = tag_of(model, pretrained)
    load_weights = load_weights and pretrained is not None
    try:
        name = _local_name(model, sha256, what, download)
        wanted = None
        if load_weights and not name.startswith(LOCAL_DIR):
            assert pretrained is not None
            wanted = _checkpoint(pretrained, tag, sha256, what, download)
        with hub(reachable=False):
            return open_clip.create_model(
                name,
                pretrained=wanted,
                load_weights=load_weights,
                require_pretrained=load_weights,
                force_quick_gelu=tag.get("quick_gelu", False),
                force_preprocess_cfg=tag,
            )
    except (RuntimeError, OSError, ValueError) as error:
        raise ArmsError(
            f"{what} {model!r} with weights {pretrained!r} could not be loaded: {error}\n"
            "Name an open_clip architecture and one of its pretrained tags, or the path of a checkpoint file; "
            f"a tag is downloaded once, which needs a network.{'' if download else ' Loading a router asks no hub.'}"
        ) from error


def open_clip_config(model: str, sha256: Mapping[str, str] | None, *, what: str, download: bool) -> dict[str, Any]:
    """The configuration of an open_clip model; under `place` the name by which open_clip finds it on this machine."""
    name = _local_name(model, sha256, what, download)
    return open_clip.get_model_config(name) | {"place": name}


def tag_of(model: str, pretrained: str | None) -> dict[str, Any]:
    """What open_clip knows of a pretrained tag, which may have a commit behind it; empty for anything else."""
    return open_clip.get_pretrained_cfg(model.replace("/", "-"), HubName.of(pretrained or "").name)


def check_self_contained(config: Mapping[str, Any], what: str) -> None:
    """Raise an ArmsError if an open_clip configuration names a further model, which its library would go and load.

    A timm architecture is none: timm builds it, and its weights are in the checkpoint.
    """
    text, vision = (config.get(tower) or {} for tower in ("text_cfg", "vision_cfg"))
    named = {"hf_model_name": text.get("hf_model_name")}
    if not _is_architecture(vision.get("timm_model_name")) or vision.get("timm_model_pretrained"):
        named["timm_model_name"] = vision.get("timm_model_name")
    for key, value in named.items():
        if value is not None:
            raise ArmsError(
                f"{what} names a further model, {key} {value!r}, which would be loaded from elsewhere; use one that "
                "open_clip builds by itself or with an architecture of timm"
            )


def _is_architecture(name: Any) -> bool:
    """Whether timm builds a model of this name without loading anything."""
    return isinstance(name, str) and not set(name) & set(":/\\") and timm.is_model(name)


def _local_name(model: str, sha256: Mapping[str, str] | None, what: str, download: bool) -> str:
    """The model as open_clip finds it on this machine: an architecture, or local-dir: and a folder."""
    name = model.replace("/", "-")
    if model == BUNDLED or model.startswith((HF_HUB, LOCAL_DIR)):
        name = f"{LOCAL_DIR}{model_folder(model, sha256, what, download=download)}"
    config = open_clip.get_model_config(name)
    if config is not None:
        check_self_contained(config, f"{what} {model!r}")
    return name


def _checkpoint(
    pretrained: str, tag: dict[str, Any], sha256: Mapping[str, str] | None, what: str, download: bool
) -> str:
    """The file of pretrained weights that are no part of the model's own folder, checked."""
    if not tag:
        if is_path(pretrained):
            settle(pretrained, f"{what}'s weights", download)
            check_files(Path(pretrained).parent, sha256, f"{what}'s weights {pretrained!r}")
        return pretrained
    if "file" in tag:
        return str(tag["file"])
    named = HubName.of(pretrained)
    label = f"{what}'s weights {named.name!r}"
    if download:
        if tag.get("hf_hub") and named.commit is None:
            raise ArmsError(f"{label}: {named.pin_advice}")
        check_hashes(sha256, label)
    file = _from_hub(tag, named, sha256, download) if tag.get("hf_hub") else _from_address(tag, label, download)
    check_files(file.parent, sha256, label)
    if sha256 and file.name not in sha256:
        raise ArmsError(f"{label}: expected the sha256 of {file.name}, got those of {', '.join(sha256)}")
    return str(file)


def _from_hub(tag: dict[str, Any], named: HubName, sha256: Mapping[str, str] | None, download: bool) -> Path:
    repository, file = os.path.split(tag["hf_hub"])
    names = list(sha256 or ()) or [*([file] if file else []), *OPEN_CLIP_WEIGHTS]
    with hub(reachable=download):
        for name in names:
            try:
                return Path(hf_hub_download(repository, name, revision=named.commit, local_files_only=not download))
            except (EntryNotFoundError, HFValidationError) as error:  # no such file there, or in the cache
                missing = error
    raise OSError(f"{repository} has none of {', '.join(names)}: {missing}")


def _from_address(tag: dict[str, Any], label: str, download: bool) -> Path:
    if download:
        return Path(open_clip.download_pretrained_from_url(tag["url"]))
    file = Path(URL_CACHE, Path(tag["url"]).name).expanduser()
    if not file.is_file():
        raise ArmsError(
            f"{label}: {file} is not on this machine, and loading a router downloads nothing; if you trust it, put it "
            f"there from {tag['url']}"
        )
    return file
