"""Write the trained towers as the hubs lay models out: python -m pretrain.export."""

import hashlib
import json
from pathlib import Path

import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer
from torch import Tensor, nn
from transformers import DistilBertConfig, PreTrainedTokenizerFast

from arms.data.atomic import atomic_folder
from arms.errors import ArmsError
from pretrain.losses import PIXEL_MEAN, PIXEL_STD
from pretrain.net import NO_TEXT, PairNet
from pretrain.run import CHECKPOINT
from pretrain.settings import PretrainParams, read_settings
from pretrain.train import build_net
from pretrain.vocabulary import TOKENIZER

BUNDLED = Path("pretrain/output/bundled")


def export(net: PairNet, tokenizer: Tokenizer, settings: PretrainParams, folder: Path) -> None:
    """Write both towers in float16, with the sha256 of every file, whole or not at all.

    ``image/`` is what open_clip loads by ``local-dir:``, ``text/`` what transformers loads by `from_pretrained`. The
    projection and the heads that only training needs are left out.
    """
    with atomic_folder(folder) as draft:
        _export_image(net, settings, draft / "image")
        _export_text(net, tokenizer, draft / "text")
        sums = {
            file.relative_to(draft).as_posix(): hashlib.sha256(file.read_bytes()).hexdigest()
            for file in sorted(draft.glob("*/*"))
        }
        (draft / "sha256.json").write_text(json.dumps(sums, indent=2) + "\n")


def _export_image(net: PairNet, settings: PretrainParams, folder: Path) -> None:
    folder.mkdir()
    image = settings.image.model_dump()
    config = {
        "model_cfg": {**image, "text_cfg": NO_TEXT},
        "preprocess_cfg": {
            "mean": [PIXEL_MEAN] * 3,
            "std": [PIXEL_STD] * 3,
            "interpolation": "bicubic",
            "resize_mode": "squash",
        },
    }
    (folder / "open_clip_config.json").write_text(json.dumps(config, indent=2) + "\n")
    save_file(_half(net.clip), folder / "open_clip_model.safetensors", metadata={"format": "pt"})


def _export_text(net: PairNet, tokenizer: Tokenizer, folder: Path) -> None:
    folder.mkdir()
    config = net.text.distilbert.config
    usual = DistilBertConfig()
    # Trained without dropout, since the stream never repeats; a router's questions do.
    DistilBertConfig.from_dict(
        {**config.to_dict(), "dropout": usual.dropout, "attention_dropout": usual.attention_dropout}
    ).save_pretrained(folder)
    save_file(_half(net.text.distilbert), folder / "model.safetensors", metadata={"format": "pt"})
    special = {"pad": "[PAD]", "unk": "[UNK]", "cls": "[CLS]", "sep": "[SEP]", "mask": "[MASK]"}
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        model_max_length=config.max_position_embeddings,
        **{f"{name}_token": token for name, token in special.items()},
    ).save_pretrained(folder)


def _half(module: nn.Module) -> dict[str, Tensor]:
    """Parameters and buffers on the CPU, numbers with a fraction in float16."""
    return {
        name: (tensor.half() if tensor.is_floating_point() else tensor).detach().cpu().contiguous()
        for name, tensor in module.state_dict().items()
    }


def main() -> None:
    """Write pretrain/output/bundled."""
    settings, tokenizer = read_settings(), Tokenizer.from_file(str(TOKENIZER))
    content = torch.load(CHECKPOINT, map_location="cpu", weights_only=True)
    if content["step"] != settings.train.total_steps:
        raise ArmsError(
            f"{CHECKPOINT}: expected {settings.train.total_steps} steps, got {content['step']}; "
            "run: python -m pretrain.run"
        )
    net = build_net(settings, tokenizer)
    net.load_state_dict(content["net"])
    export(net.eval(), tokenizer, settings, BUNDLED)


if __name__ == "__main__":
    main()
