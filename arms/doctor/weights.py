"""Where an encoder pair's weights come from, and whether they are here already. Nothing is loaded or downloaded."""

import os
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

from arms.encoders.bundled import BUNDLED, bundled_folder
from arms.encoders.origins import OPEN_CLIP_CONFIG, OPEN_CLIP_WEIGHTS, URL_CACHE, HubName
from arms.errors import ArmsError
from arms.params import EncodersParams, ImageEncoderParams, TextEncoderParams

_TRANSFORMERS_FILES = ("model.safetensors", "model.safetensors.index.json", "pytorch_model.bin")
_TOKENIZER_FILES = ("tokenizer.json", "vocab.txt", "vocab.json", "tokenizer_config.json")


@dataclass(frozen=True, slots=True)
class Weights:
    """One encoder's weights: `name` as in the settings; `here` if they need no network; `problem` if they are wrong."""

    modality: Literal["image", "text"]
    name: str
    origin: Literal["package", "seed", "file", "hub", "unknown"]
    here: bool
    problem: str = ""

    def text(self) -> str:
        """As in 'text encoder distilbert-base-uncased is to be downloaded once'."""
        verb = {
            "package": "comes with the package",
            "seed": "begins from the seed",
            "file": "is on this machine",
            "hub": "was downloaded" if self.here else "is to be downloaded once",
            "unknown": "is unknown",
        }[self.origin]
        return f"{self.modality} encoder {self.name} {verb}{f': {self.problem}' if self.problem else ''}"


def weights_of(params: EncodersParams) -> tuple[Weights, Weights]:
    """The image encoder's weights and the text encoder's."""
    return _image_weights(params.image), _text_weights(params.text)


def _image_weights(params: ImageEncoderParams) -> Weights:
    model, tag = params.model, params.pretrained
    if model is None or model == BUNDLED:
        return _without_name("image", model)
    found = partial(Weights, "image", f"{model}/{tag or 'no weights'}")
    scheme, _, place = model.partition(":")
    if scheme == "hf-hub":
        named = HubName.of(place)
        if named.commit is None:
            return found("unknown", False, named.pin_advice)
        return found("hub", _is_cached(named, (OPEN_CLIP_CONFIG,), OPEN_CLIP_WEIGHTS))
    if scheme == "local-dir":
        if (Path(place) / OPEN_CLIP_CONFIG).is_file():
            return Weights("image", model, "file", True)
        return Weights("image", model, "unknown", False, f"expected {OPEN_CLIP_CONFIG} in {place}")
    if tag and Path(tag).is_file():
        return found("file", True)

    from arms.encoders.torchvision_guard import import_torchvision

    import_torchvision()
    import open_clip

    if open_clip.get_model_config(model) is None:
        return found("unknown", False, "expected an open_clip architecture")
    if tag is None:
        return found("seed", True)
    source = open_clip.get_pretrained_cfg(model.replace("/", "-"), tag)
    if not source:
        tags = ", ".join(open_clip.list_pretrained_tags_by_model(model))
        return found("unknown", False, f"expected a checkpoint file or one of the tags {tags}")
    if not source.get("hf_hub"):
        return found("hub", Path(URL_CACHE, Path(source["url"]).name).expanduser().is_file())
    repository, file = os.path.split(source["hf_hub"])
    return found("hub", _is_cached(HubName.of(repository), (file,) if file else OPEN_CLIP_WEIGHTS))


def _text_weights(params: TextEncoderParams) -> Weights:
    model = params.model
    if model is None or model == BUNDLED:
        return _without_name("text", model)
    if Path(model).is_dir():
        return Weights("text", model, "file", True)
    named = HubName.of(model)
    if named.commit is None:
        return Weights("text", model, "unknown", False, named.pin_advice)
    try:
        here = _is_cached(named, ("config.json",), _TRANSFORMERS_FILES, _TOKENIZER_FILES)
        return Weights("text", named.name, "hub", here)
    except ValueError as error:  # of huggingface_hub, for what cannot be a name there
        return Weights("text", model, "unknown", False, f"expected a folder or a name on the hub: {error}")


def _without_name(modality: Literal["image", "text"], model: str | None) -> Weights:
    """The weights of an encoder that names no model, or the bundled one."""
    if model is None:
        return Weights(modality, "of its own architecture", "seed", True)
    try:
        bundled_folder(modality)
    except ArmsError as error:
        return Weights(modality, model, "package", False, str(error))
    return Weights(modality, model, "package", True)


def _is_cached(named: HubName, *groups: tuple[str, ...]) -> bool:
    """Whether at least one file of each group was downloaded from a repository on the hub."""
    from huggingface_hub import try_to_load_from_cache

    def has(file: str) -> bool:
        return isinstance(try_to_load_from_cache(named.name, file, revision=named.commit), str)

    return all(any(map(has, group)) for group in groups)
