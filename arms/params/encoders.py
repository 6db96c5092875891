"""An encoder pair: conf/encoders/<name>.yaml."""

from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from arms.params.section import PositiveFloat, PositiveInt, Section, named_file, read_section


def _check_layers(value: Any) -> Any:
    if value == "all" or (isinstance(value, int) and not isinstance(value, bool) and value >= 0):
        return value
    raise ValueError(f"expected an integer >= 0 or 'all', got {value!r}")


TunableLayers = Annotated[int | Literal["all"], BeforeValidator(_check_layers)]
PrecisionChoice = Literal["auto", "float32", "bfloat16"]


Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
Hashes = Sha256 | dict[str, Sha256] | None
_HASHES = (
    "of the weights in model.safetensors (of open_clip in open_clip_model.safetensors), or of other files by their "
    "names; a download needs it, and what is given is checked"
)


def _by_file(sha256: str | dict[str, str] | None, library: str) -> dict[str, str] | None:
    """Hashes by file; the weights' file is the one that a library saves."""
    file = "open_clip_model.safetensors" if library == "open_clip" else "model.safetensors"
    return {file: sha256} if isinstance(sha256, str) else sha256


class ImageEncoderParams(Section):
    """The image encoder: an open_clip visual tower, or a model of timm or transformers."""

    library: Literal["open_clip", "timm", "transformers"] = Field(
        default="open_clip", description="whose model it is, which builds it and brings its preprocessing"
    )
    model: str | None = Field(
        description="bundled, natural, an open_clip architecture, a hub name as name@commit, or a folder like the "
        "hub's; of open_clip with hf-hub: or local-dir: before the last two; null: see `architecture`"
    )
    architecture: dict[str, Any] | None = Field(description="an open_clip model configuration: embed_dim, vision_cfg")
    pretrained: str | None = Field(
        description="of open_clip: bundled, a tag as tag@commit or a checkpoint's path; null: from the seed. Models of "
        "other libraries bring their weights: null"
    )
    sha256: Hashes = Field(default=None, description=_HASHES)
    pooling: Literal["own", "cls", "mean"] = Field(
        default="own", description="a picture's vector: the model's own, or of transformers a token's state or the mean"
    )
    resize: Literal["shortest", "longest", "squash", "own"] = Field(
        description="to a square: crop, pad or distort; own: as the model's preprocessing does it, of timm and "
        "transformers always"
    )
    tunable_layers: TunableLayers = Field(description="blocks above the cut, trained with the head; 0: all are frozen")
    precision: PrecisionChoice = Field(description="of the frozen blocks; auto: bfloat16 where it measures faster")
    store_tokens: bool = Field(description="keep token states where all blocks are frozen, for `fusion: tokens`")
    max_images: PositiveInt = Field(
        default=8, description="of a query with more images the first ones are read, and the others counted"
    )
    ocr: bool = Field(
        default=False, description="put numbers of the text in a picture behind its vectors; arms[ocr], all frozen"
    )

    @property
    def hashes(self) -> dict[str, str] | None:
        """`sha256` by file."""
        return _by_file(self.sha256, self.library)

    @property
    def has_source(self) -> bool:
        """Whether its weights can be loaded from elsewhere."""
        return self.pretrained is not None or self.library != "open_clip"

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if self.library != "open_clip":
            if self.model is None or self.pretrained is not None:
                raise ValueError(f"library {self.library} goes with a model, and with pretrained: null")
            if self.resize != "own":
                raise ValueError(f"library {self.library} goes with resize: own, got {self.resize!r}")
        if self.pooling != "own" and self.library != "transformers":
            raise ValueError(f"pooling {self.pooling!r} goes with library transformers; use own")
        return _check_source(self, self.model, self.architecture, self.pretrained)


class ProbeParams(Section):
    """A text whose vector is pinned, so that another model behind the same name is an error."""

    text: str = Field(min_length=1, description="embedded before the first text of a run, and now and then later")
    vector: str | None = Field(
        description="its vector, as base64 of float16 numbers; null: the run ends with the one to write here"
    )
    tolerance: float = Field(
        gt=0, lt=1, description="largest distance from that vector, as a share of its length; servers round differently"
    )


class TextEncoderParams(Section):
    """The text encoder: a model of transformers or sentence-transformers, or the text tower of an open_clip model."""

    library: Literal["transformers", "sentence-transformers", "open_clip", "openai"] = Field(
        default="transformers", description="whose model it is, which builds it; openai: that of a `server`"
    )
    model: str | None = Field(
        description="bundled, natural, a hub name as name@commit, or a folder like the hub's; of open_clip as in "
        "`image`; of openai as the server calls it; null: see `architecture`"
    )
    architecture: dict[str, Any] | None = Field(description="a DistilBertConfig; its weights start from the seed")
    pretrained: str | None = Field(default=None, description="of open_clip as in `image`; otherwise null")
    sha256: Hashes = Field(default=None, description=_HASHES)
    vocabulary_size: PositiveInt | None = Field(
        description="word pieces to learn from the questions, for `architecture`"
    )
    prompt: str | None = Field(
        default=None,
        description="text before each question and profile, or the name of a prompt that a model of "
        "sentence-transformers brings; null: none, or the model's default one",
    )
    pooling: Literal["cls", "mean", "last", "own"] = Field(
        description="a text's vector: the state of its first or last token, or the mean of all; own: as the model "
        "itself makes it, of other libraries than transformers always"
    )
    normalise: bool = Field(default=False, description="scale a text's vector to length 1")
    max_tokens: PositiveInt = Field(
        description="of longer texts the middle is left out, and reported; of openai, whose tokens are not known here, "
        "bytes of UTF-8, of which a token has one or more"
    )
    dimensions: PositiveInt | None = Field(
        default=None, description="of openai: numbers of a vector, where the model can shorten it; null: as it gives it"
    )
    probe: ProbeParams | None = Field(default=None, description="of openai: what its model is known by; otherwise null")
    tunable_layers: TunableLayers = Field(description="blocks above the cut, trained with the head; 0: all are frozen")
    precision: PrecisionChoice = Field(description="of the frozen blocks; auto: bfloat16 where it measures faster")

    @property
    def hashes(self) -> dict[str, str] | None:
        """`sha256` by file."""
        return _by_file(self.sha256, self.library)

    @property
    def has_source(self) -> bool:
        """Whether its weights can be loaded from elsewhere."""
        return self.model is not None

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if (self.vocabulary_size is None) != (self.architecture is None):
            raise ValueError("vocabulary_size goes with architecture: set both or neither")
        if self.library != "transformers" and (self.model is None or self.pooling != "own"):
            raise ValueError(f"library {self.library} goes with a model, and with pooling: own")
        if (self.probe is not None) != (self.library == "openai"):
            raise ValueError(f"library {self.library}: probe goes with openai, which needs it, and only with it")
        if self.library != "openai" and self.dimensions is not None:
            raise ValueError("dimensions goes with library openai; otherwise null")
        if self.library == "openai" and self.precision != "float32":
            raise ValueError(f"library openai goes with precision: float32, got {self.precision!r}")
        if (self.pretrained is not None) != (self.library == "open_clip"):
            raise ValueError(
                f"library {self.library}: pretrained goes with open_clip, which needs it, and only with it"
            )
        return _check_source(self, self.model, self.architecture, self.model)


class PairEncoderParams(Section):
    """A joint encoder: one model of transformers for a query's pictures and its question together, frozen."""

    model: str = Field(description="a hub name as name@commit, or a folder like the hub's")
    sha256: Hashes = Field(default=None, description=_HASHES)
    prompt: str | None = Field(default=None, description="text before each question; null: none")
    pooling: Literal["cls", "mean", "last"] = Field(
        description="a pair's vector: the state of its first or last token, or the mean of all"
    )
    normalise: bool = Field(default=True, description="scale a pair's vector to length 1")
    max_tokens: int = Field(ge=2, description="of a longer question, the prompt included, the middle is left out")
    max_images: PositiveInt = Field(description="of a query with more images the first ones are read")
    longest_px: PositiveInt = Field(description="larger pictures are made smaller, so that this is their longer side")
    tunable_layers: TunableLayers = Field(default=0, description="0: a joint encoder is frozen")
    precision: PrecisionChoice = Field(description="of the model; auto: bfloat16 where it measures faster")

    @property
    def hashes(self) -> dict[str, str] | None:
        """`sha256` by file."""
        return _by_file(self.sha256, "transformers")

    @model_validator(mode="after")
    def _is_frozen(self) -> Self:
        if self.tunable_layers != 0:
            raise ValueError(f"a joint encoder is frozen; set tunable_layers: 0, got {self.tunable_layers!r}")
        if self.model in ("bundled", "natural"):
            raise ValueError(f"expected a name on the hub or a folder, got {self.model!r}, which has no joint encoder")
        return self


def _check_url(url: str) -> str:
    parts = urlsplit(url)
    if "@" in parts.netloc:  # the message must not repeat it
        raise ValueError("expected an address without a name or password; server.key_env names where the key is")
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment or parts.port == 0:
        raise ValueError(f"expected an address such as https://api.openai.com/v1, got {url!r}")
    return url.rstrip("/")


class ServerParams(Section):
    """The server of `text.library: openai`: where it is and how it is asked. No stage lists it."""

    url: Annotated[str, AfterValidator(_check_url)] = Field(description="its address, without /embeddings at the end")
    key_env: str | None = Field(
        pattern="^[A-Za-z_][A-Za-z0-9_]*$",
        description="environment variable that holds the key, which is written nowhere; null: it asks for none",
    )
    encoding: Literal["base64", "float"] = Field(description="of the numbers in an answer; not every server has base64")
    batch_size: PositiveInt = Field(description="texts of a request, at most")
    timeout_s: PositiveFloat = Field(description="seconds to wait for the connection or for more of an answer")
    retries: int = Field(ge=0, description="times to ask again where the server is busy, broken or out of reach")


class EncodersParams(Section):
    """An encoder pair, conf/encoders/<name>.yaml."""

    image: ImageEncoderParams
    text: TextEncoderParams
    pair: PairEncoderParams | None = Field(
        default=None, description="pictures and question together, beside `image` and `text`; null: none"
    )
    server: ServerParams | None = Field(default=None, description="of `text.library: openai`; otherwise null")

    @model_validator(mode="after")
    def _server_is_named(self) -> Self:
        if (self.server is not None) != (self.text.library == "openai"):
            raise ValueError("server goes with text.library: openai, which needs it, and only with it")
        return self

    def saved(self) -> dict[str, Any]:
        """As a saved router names the pair: settings that came later only where they are set, so files stay equal."""
        later = {"library", "pretrained", "sha256", "prompt", "pooling", "normalise", "dimensions", "probe", "ocr"}
        optional = {"pair": self.pair, "server": self.server}
        return {name: section.model_dump() for name, section in optional.items() if section is not None} | {
            name: {
                key: value
                for key, value in section.model_dump().items()
                if key not in later or value != type(section).model_fields[key].default
            }
            for name, section in (("image", self.image), ("text", self.text))
        }


def _check_source(section: Any, model: str | None, architecture: dict | None, pretrained: str | None) -> Any:
    if (model is None) == (architecture is None):
        raise ValueError("set exactly one of model and architecture; the other is null")
    if architecture is not None and pretrained is not None:
        raise ValueError("pretrained weights go with a model, not with `architecture`")
    return section


def read_encoders_params(name: str, root: Path = Path()) -> EncodersParams:
    """Read conf/encoders/<name>.yaml; raise ArmsError with the key, the value and what is allowed."""
    return read_section(named_file("encoders", name, root), EncodersParams)
