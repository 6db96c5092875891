"""A small log of lmms-eval, to the letter of what it writes with --log_samples."""

import base64
import hashlib
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from PIL import Image

VLMS = ("gpt-4o-2024-08-06", "lmms-lab/llava-onevision-qwen2-7b-ov", "Qwen/Qwen2.5-VL-7B-Instruct")
TIME = "20260310_101500"

# doc_id, image, question, answer, category, whether each VLM is right
MME = (
    (0, "code_reasoning/0020.png", "Does the code print 4?", "Yes", "code_reasoning", (1, 1, 0)),
    (1, "code_reasoning/0020.png", "Does the code print 5?", "No", "code_reasoning", (1, 0, 0)),
    (2, "count/0001.png", "Are there two dogs?", "Yes", "count", (1, 1, 1)),
    (3, "count/0001.png", "Are there three dogs?", "No", "count", (0, 0, 1)),
)
VQA = (
    (0, (250, 10, 10), "What colour is it?", "red", (1.0, 1.0, 0.3)),
    (7, (10, 10, 250), "What shade is it?", "blue", (0.6, 0.0, 1.0)),
)


def write_log(folder: Path) -> tuple[Path, ...]:
    """Two tasks by three VLMs, six queries; the last VLM has no row for the last question of mme."""
    output_path = folder / "logs"
    for number, name in enumerate(("code_reasoning/0020.png", "count/0001.png")):
        (output_path / name).parent.mkdir(parents=True)
        (output_path / name).write_bytes(png((number, 90, 30)))
    for number, vlm in enumerate(VLMS):
        rows = [mme_row(number, *question) for question in MME]
        write_run(output_path, vlm, "mme", rows[:3] if number == 2 else rows)
        write_run(output_path, vlm, "vqav2_val_lite", [vqa_row(number, *question) for question in VQA])
        write_results(output_path, vlm)
    return (output_path,)


def mme_row(number: int, doc_id: int, image: str, question: str, answer: str, category: str, right: Any) -> dict:
    """A row of mme: its metric's name depends on the category, and it is a mapping with the score."""
    kind = "mme_cognition_score" if category == "code_reasoning" else "mme_perception_score"
    said = answer if right[number] else {"Yes": "No", "No": "Yes"}[answer]
    score = {"question_id": image, "category": category, "score": float(right[number])}
    return sample(doc_id, f"{question}\nAnswer the question using a single word or phrase.", answer, said) | {
        "input_media": [image],
        kind: score,
    }


def vqa_row(number: int, doc_id: int, colour: tuple, question: str, answer: str, grades: Sequence[float]) -> dict:
    """A row of vqav2: the metric is a number, the image stands in the log, and a filter changed the response."""
    said = answer if grades[number] > 0.5 else "green"
    return sample(doc_id, f"<image>\n{question}", answer, said) | {
        "resps": [[said.title() + "."]],
        "input_media": ["data:image/png;base64," + base64.b64encode(png(colour)).decode()],
        "exact_match": grades[number],
        "submission": {"question_id": doc_id, "answer": said},
    }


def sample(doc_id: int, question: str, target: str, said: str) -> dict[str, Any]:
    """What every row holds. doc_hash covers the text of an image object: its memory address differs in every run."""
    document = {"question": question, "image": f"<PIL.PngImagePlugin.PngImageFile at {hex(id(object()))}>"}
    return {
        "doc_id": doc_id,
        "target": target,
        "filtered_resps": [said],
        "token_counts": [{"input_tokens": 700 + doc_id, "output_tokens": 2}],
        "doc_hash": hashlib.sha256(json.dumps(document, indent=2).encode()).hexdigest(),
        "input": question,
    }


def write_run(output_path: Path, vlm: str, task: str, rows: Sequence[Any], time: str = TIME) -> Path:
    """One task's rows in the VLM's folder."""
    path = output_path / vlm.replace("/", "__") / f"{time}_samples_{task}.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


def write_results(output_path: Path, vlm: str, time: str = TIME, **changes: Any) -> Path:
    """The results of a run, for all its tasks."""
    kind = "model_version" if vlm.startswith("gpt") else "pretrained"
    model = "openai_compatible" if vlm.startswith("gpt") else "llava_onevision"
    results = {
        "results": {
            "mme": {"alias": "mme", "mme_cognition_score,none": 100.0, "mme_perception_score,none": 75.0},
            "vqav2_val_lite": {"alias": "vqav2_val_lite", "exact_match,none": 0.65},
        },
        "group_subtasks": {"mme": [], "vqav2_val_lite": []},
        "configs": {"mme": {"task": "mme", "output_type": "generate_until"}},
        "higher_is_better": {
            "mme": {"mme_cognition_score": True, "mme_perception_score": True},
            "vqav2_val_lite": {"exact_match": True},
        },
        "config": {"model": model, "model_args": f"{kind}={vlm},timeout=120", "limit": None},
        "date": time,
        "task_hashes": {},
        "model_source": model,
        "model_name": vlm,
        "model_name_sanitized": vlm.replace("/", "__"),
        "total_evaluation_time_seconds": "93.1",
    } | changes
    path = output_path / vlm.replace("/", "__") / f"{time}_results.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(results, indent=2, ensure_ascii=False), encoding="utf-8")
    return path


def write_older_run(
    output_path: Path, model_args: str, task: str, logs: Sequence[Any], time: str = "0612_0930"
) -> Path:
    """A task of the older form, in a folder named by time; its documents hold no images."""
    content = {
        "args": {"model": "llava", "model_args": model_args, "tasks": task, "log_samples": True, "batch_size": "1"},
        "model_configs": {"task": task, "dataset_path": "lmms-lab/X", "metadata": [{"version": 0.0}]},
        "logs": list(logs),
        "time": time,
    }
    path = output_path / f"{time}_suffix_llava_model_args_{hashlib.sha256(model_args.encode()).hexdigest()[:6]}"
    path.mkdir(parents=True, exist_ok=True)
    (path / "results.json").write_text(json.dumps({"results": {}, "config": {"model": "llava"}}))
    (path / f"{task}.json").write_text(json.dumps(content, indent=4, ensure_ascii=False), encoding="utf-8")
    return path / f"{task}.json"


def older_log(doc_id: int, question: str, target: Any, said: str, **metrics: Any) -> dict[str, Any]:
    """A row of the older form."""
    return {
        "doc_id": doc_id,
        "target": target,
        "doc": {"question": question, "category": "charts", "image": "<PIL.Image.Image size=4x4 at 0x7F>"},
        "arguments": [[question, doc_id, "chartqa", "test"]],
        "resps": [[said]],
        "filtered_resps": [said],
        **metrics,
    }


def png(colour: tuple) -> bytes:
    """A tiny image of one colour."""
    stream = io.BytesIO()
    Image.new("RGB", (4, 4), colour).save(stream, "PNG")
    return stream.getvalue()
