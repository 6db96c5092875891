"""Where an encoder pair's weights come from, and whether they are here already. Nothing is loaded or downloaded."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from arms.encoders.bundled import BUNDLED, bundled_folder
from arms.errors import ArmsError
from arms.params import EncodersParams, ImageEncoderParams, TextEncoderParams

Origin = Literal["package", "seed", "file", "hub", "unknown"]

_OPEN_CLIP_FILES = ("open_clip_model.safetensors", "open_clip_pytorch_model.bin")
_TRANSFORMERS_FILES = ("model.safetensors", "model.safetensors.index.json", "pytorch_model.bin")
_TOKENIZER_FILES = ("tokenizer.json", "vocab.txt", "vocab.json", "tokenizer_config.json")
_URL_CACHE = "~/.cache/clip"  # where open_clip puts what it downloads from elsewhere than the hub


@dataclass(frozen=True, kw_only=True, slots=True)
class Weights:
    """One encoder's weights.

    Attributes
    ----------
    modality : 'image' or 'text'
    name : str
        What the settings call them.
    origin : Origin
        package: they come with it; seed: they are initialised; file: on this machine; hub: downloaded once; unknown:
        nobody knows them under this name.
    here : bool
        Whether they can be had without a network.
    problem : str
        Why they cannot be had at all, if so.
    """

    modality: Literal["image", "text"]
    name: str
    origin: Origin
    here: bool
    problem: str = ""

    def text(self) -> str:
        """What to know of them, such as 'text encoder distilbert-base-uncased is to be downloaded'."""
        told = {
            "package": "comes with the package",
            "seed": "begins from the seed",
            "file": "is on this machine",
            "hub": "was downloaded" if self.here else "is to be downloaded once",
            "unknown": "is unknown",
        }[self.origin]
        return f"{self.modality} encoder {self.name} {told}{f': {self.problem}' if self.problem else ''}"


def weights_of(params: EncodersParams) -> tuple[Weights, Weights]:
    """The image encoder's weights and the text encoder's."""
    return _image_weights(params.image), _text_weights(params.text)


def _image_weights(params: ImageEncoderParams) -> Weights:
    model, tag = params.model, params.pretrained
    if model is None:
        return Weights(modality="image", name="of its own architecture", origin="seed", here=True)
    if model == BUNDLED:
        return _bundled("image")
    name = f"{model}/{tag or 'no weights'}"
    if model.startswith("hf-hub:"):
        here = _is_cached(model.removeprefix("hf-hub:"), ("open_clip_config.json",), _OPEN_CLIP_FILES)
        return Weights(modality="image", name=name, origin="hub", here=here)
    if model.startswith("local-dir:"):
        folder = Path(model.removeprefix("local-dir:"))
        here = (folder / "open_clip_config.json").is_file()
        problem = "" if here else f"expected open_clip_config.json in {folder}"
        return Weights(modality="image", name=model, origin="file" if here else "unknown", here=here, problem=problem)
    if tag and Path(tag).is_file():
        return Weights(modality="image", name=name, origin="file", here=True)

    from arms.encoders.torchvision_guard import import_torchvision

    import_torchvision()
    import open_clip

    if open_clip.get_model_config(model) is None:
        problem = "expected an open_clip architecture"
        return Weights(modality="image", name=name, origin="unknown", here=False, problem=problem)
    if tag is None:
        return Weights(modality="image", name=name, origin="seed", here=True)
    source = open_clip.get_pretrained_cfg(model.replace("/", "-"), tag)
    if not source:
        problem = (
            f"expected a checkpoint file or one of the tags {', '.join(open_clip.list_pretrained_tags_by_model(model))}"
        )
        return Weights(modality="image", name=name, origin="unknown", here=False, problem=problem)
    if source.get("hf_hub"):
        repository, file = os.path.split(source["hf_hub"])
        here = _is_cached(repository, (file,) if file else _OPEN_CLIP_FILES)
    else:
        here = Path(_URL_CACHE, Path(source["url"]).name).expanduser().is_file()
    return Weights(modality="image", name=name, origin="hub", here=here)


def _text_weights(params: TextEncoderParams) -> Weights:
    model = params.model
    if model is None:
        return Weights(modality="text", name="of its own architecture", origin="seed", here=True)
    if model == BUNDLED:
        return _bundled("text")
    if Path(model).is_dir():
        return Weights(modality="text", name=model, origin="file", here=True)
    try:
        here = _is_cached(model, ("config.json",), _TRANSFORMERS_FILES, _TOKENIZER_FILES)
    except ValueError as error:  # of huggingface_hub, for what cannot be a name there
        problem = f"expected a folder or a name on the hub: {error}"
        return Weights(modality="text", name=model, origin="unknown", here=False, problem=problem)
    return Weights(modality="text", name=model, origin="hub", here=here)


def _bundled(modality: Literal["image", "text"]) -> Weights:
    try:
        bundled_folder(modality)
    except ArmsError as error:
        return Weights(modality=modality, name=BUNDLED, origin="package", here=False, problem=str(error))
    return Weights(modality=modality, name=BUNDLED, origin="package", here=True)


def _is_cached(repository: str, *groups: tuple[str, ...]) -> bool:
    """Whether of each group of files at least one was downloaded from a repository on the hub."""
    from huggingface_hub import try_to_load_from_cache

    return all(any(isinstance(try_to_load_from_cache(repository, file), str) for file in group) for group in groups)
