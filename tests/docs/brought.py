"""What the reader of each page has before the first command: logs, photos, another dataset, weights."""

import base64
import gzip
import json
import os
import shutil
import time
from collections.abc import Callable
from datetime import datetime, timedelta

import numpy as np
import open_clip
import pandas as pd
import torch
from PIL import Image
from safetensors.torch import save_file
from transformers import DistilBertConfig, DistilBertModel, PreTrainedTokenizerFast

from arms.integrations.litellm.outcome_logger import append_line
from arms.integrations.litellm.record import Keep, record_of
from tests.docs.reader import write_yaml
from tests.fakes import DISTILBERT, VIT, tiny_tokenizer
from tests.importers.logs import (
    blindtest,
    csv,
    dynamath,
    gateway,
    helm,
    lmms_eval,
    m2,
    mmr_bench,
    scope,
    tables,
    vl_routerbench,
    vlmevalkit_many,
)
from tests.integrations.contexts import asks, event
from tests.pipeline import ROOT, Project

Bring = Callable[[Project], None]


def photos(project: Project) -> None:
    """Pictures that somebody took."""
    for name in ("photo", "a", "b", "before", "after"):
        Image.new("RGB", (40, 30), (200, 180, 40)).save(project.folder / f"{name}.png")


def queries(project: Project) -> None:
    """A table of queries about them."""
    rows = [("q1", "photo.png", "What is this?"), ("q2", '["before.png", "after.png"]', "What has changed?")]
    frame = pd.DataFrame(rows, columns=["query_id", "images", "question"])
    frame.to_csv(project.folder / "queries.csv", index=False)


def environment(project: Project) -> None:
    """The environment that `make` would build, and build again if a file is newer: the one that the tests run in."""
    ready = project.folder / ".venv/.ready"
    (ready.parent / "bin").mkdir(parents=True)
    (ready.parent / "bin/activate").touch()
    ready.touch()
    in_a_day_s = time.time() + 86_400
    os.utime(ready, (in_a_day_s, in_a_day_s))


def studies(project: Project) -> None:
    """The results of the studies, which take hours: the committed ones."""
    shutil.copytree(ROOT / "studies/results", project.folder / "studies/results")


def vlmevalkit_log(project: Project) -> None:
    """Results of VLMEvalKit in outputs/, the benchmarks' TSVs in LMUData/."""
    vlmevalkit_many.write_log(project.folder)


def other_logs(project: Project) -> None:
    """A small log of each other format."""
    blindtest.write_log(project.folder)
    helm.write_log(project.folder)
    lmms_eval.write_log(project.folder)
    csv.write_log(project.folder)
    csv.write_wide(project.folder)
    m2.write_log(project.folder)
    mmr_bench.write_log(project.folder)
    vl_routerbench.write_log(project.folder)
    scope.write_log(project.folder)
    dynamath.write_log(project.folder)
    gateway.write_log(project.folder)
    nested_log(project)
    (source,) = tables.write_log(project.folder / "tables-log")
    source.rename(project.folder / "tables")


def nested_log(project: Project) -> None:
    """One JSON document of a VLM's run, with the records in it, as some evaluations write it."""
    items = [
        {
            "messages": [{"text": f"How many, {number}?"}, {"text": f"{number}"}],
            "picture": f"images/{number}.png",
            "grades": {"overall": number / 4, "chance": 0.5},
        }
        for number in range(4)
    ]
    runs = project.folder / "runs"
    runs.mkdir()
    for vlm in ("gpt-4o", "phi-4"):
        content = json.dumps({"made": "2026", "data": {"items": items}, "errors": [{"id": 7}]})
        (runs / f"{vlm}_results.json.gz").write_bytes(gzip.compress(content.encode(), mtime=0))


def own_log(project: Project) -> None:
    """The log that the importer of docs/importers.md is for, with one row that is no use."""
    (project.folder / "pictures").mkdir()
    rows: list[object] = [{"id": 0, "picture": None}]
    for number in range(1, 4):
        Image.new("RGB", (8, 8), (number, 90, 60)).save(project.folder / f"pictures/{number}.png")
        grades = {"gpt-4o": 0.9, "phi-4": 0.1 * number}
        rows.append({"id": number, "picture": f"pictures/{number}.png", "prompt": "How many?", "grades": grades})
    (project.folder / "log.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


def litellm_log(project: Project) -> None:
    """What the outcome logger wrote of six answers, and the verdicts on them."""
    for number in range(6):
        url = f"data:image/png;base64,{base64.b64encode(m2.png((number, 60, 90))).decode()}"
        signals = {"arms.deployments": {"openai/gpt-4o": "gpt-4o"}}
        happened = event(asks(f"How many in {number}?", url), "openai/gpt-4o", signals=signals)
        happened["litellm_call_id"] = f"call-{number}"
        start = datetime(2026, 11, 1, 12, number)
        keep = Keep(questions=True, images=True)
        record = record_of(happened, None, start, start + timedelta(seconds=2), keep, succeeded=True)
        append_line(project.folder / "outcomes.jsonl", json.dumps(record))
    rows = "".join(f"call-{number},{number % 2}\n" for number in range(6))
    (project.folder / "feedback.csv").write_text(f"request_id,correct\n{rows}")


def nova(project: Project) -> None:
    """The answers of a VLM called nova to queries of the sample and of the log of VLMEvalKit."""
    outcomes = pd.read_parquet(project.folder / "data/prepared/sample/outcomes.parquet")
    sample = outcomes[outcomes["vlm"] == "sim-atlas"].assign(vlm="nova")[["query_id", "vlm", "correct"]].head(60)
    rows = [(f"MMStar/{number}", "nova", number % 3 == 0) for number in range(vlmevalkit_many.IMAGES["MMStar"])]
    answers = pd.concat([sample, pd.DataFrame(rows, columns=sample.columns)])
    answers.to_csv(project.folder / "nova.csv", index=False)
    answers.to_parquet(project.folder / "nova.parquet", index=False)


def nova_profile(project: Project) -> None:
    """What is known of it."""
    profile = "name: nova\naccess: paid\nprice_in: 0.8\nprice_out: 3.2\n"
    (project.folder / "nova.yaml").write_text(profile)


def m2_log(project: Project) -> None:
    """Records in M2's form of the paper's two pools, on the benchmarks that docs/reproduce-the-paper.md names."""
    free = ("Qwen2.5-VL-7B-Instruct", "Idefics2-8B", "Llama-3.2-11B-Vision-Instruct", "SmolVLM2-2.2B-Instruct")
    vlms = (*free, "gpt-4o", "claude-3.5-sonnet", "gemini-1.5-flash")
    rng = np.random.default_rng(1)
    rows = []
    (project.folder / "m2/images").mkdir(parents=True)
    for number in range(60):
        benchmark = ("alm-bench", "mmt-bench", "mme-realworld", "a_okvqa", "vqa")[number % 5]
        picture = f"{number}.png"
        Image.new("RGB", (32, 32), (4 * number, 99, 50)).save(project.folder / "m2/images" / picture)
        asked = vlms if number % 2 else free  # half of the queries went to the paid VLMs too
        for vlm in asked:
            right = bool(rng.random() < 0.5)
            answer = {"output": "a" if right else "b", "ground_truth": "a", "label": right}
            query = {"benchmark": benchmark, "image": picture, "question": "What is it?", "task": "t", "language": "en"}
            rows.append({**query, "vlm": vlm, **answer})
    m2.write_lines(project.folder / "m2/records.jsonl", rows)


def paper_encoders(project: Project) -> None:
    """Tiny stand-ins for CLIP and DistilBERT in the hubs' own formats, as no hub can be reached."""
    image, text = (project.folder / "weights" / name for name in ("image", "text"))
    image.mkdir(parents=True)
    whole = {**VIT, "text_cfg": {"context_length": 4, "vocab_size": 8, "width": 8, "heads": 1, "layers": 1}}
    (image / "open_clip_config.json").write_text(json.dumps({"model_cfg": whole, "preprocess_cfg": {}}))
    torch.manual_seed(1)
    checkpoint = image / "open_clip_model.safetensors"
    save_file({key: value.contiguous() for key, value in open_clip.CLIP(**whole).state_dict().items()}, checkpoint)
    tokenizer = tiny_tokenizer()
    DistilBertModel(DistilBertConfig(**DISTILBERT, vocab_size=tokenizer.get_vocab_size())).save_pretrained(text)
    special = {f"{name}_token": f"[{name.upper()}]" for name in ("pad", "unk", "cls", "sep", "mask")}
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, **special).save_pretrained(text)
    named = {"image": {"model": f"local-dir:{image}", "pretrained": str(checkpoint)}, "text": {"model": str(text)}}
    changes = {name: settings | {"sha256": None} for name, settings in named.items()}
    write_yaml(project.folder / "conf/encoders/paper.yaml", changes)


# By page, from the project's root.
BROUGHT: dict[str, tuple[Bring, ...]] = {
    "README.md": (environment, vlmevalkit_log, nova, nova_profile),
    "docs/route.md": (photos, queries),
    "docs/safe.md": (photos,),
    "docs/experiments.md": (environment, studies, paper_encoders),
    "docs/your-data.md": (photos, vlmevalkit_log),
    "docs/litellm.md": (litellm_log,),
    "docs/importers.md": (vlmevalkit_log, other_logs, own_log),
    "docs/add-a-vlm.md": (photos, nova),
    "docs/reproduce-the-paper.md": (m2_log, paper_encoders, studies),
}
