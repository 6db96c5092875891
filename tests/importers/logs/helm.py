"""A small benchmark_output of HELM: three VLMs, six queries, the third VLM's runs in the form after helm-summarize."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from PIL import Image

GPT, CLAUDE, IDEFICS = "openai/gpt-4o", "anthropic/claude-3-haiku", "huggingface/idefics-9b"
ART, GQA = "mmmu:subject=Art,question_type=multiple-choice", "gqa"
ELSEWHERE = "/home/evaluator/helm/benchmark_output/scenarios"  # where the evaluator had the images

_METHODS = {"mmmu": "multiple_choice_joint_multimodal", "pope": "multiple_choice_joint_multimodal"}
_SHAPES = ("circle", "square", "star")


def write_log(folder: Path) -> tuple[Path, ...]:
    """Write a log; the sources to import it from.

    CLAUDE has no request for GQA's last question. GPT is right on the first of each three, CLAUDE on all, IDEFICS on
    none.
    """
    output = folder / "benchmark_output"
    suite = output / "runs" / "v1"
    art = [
        choice(f"id{number}", f"mmmu/images/Art/{number}.png", "Which shape?", _SHAPES, number) for number in range(3)
    ]
    gqa = [short(f"id{number}", f"gqa/images/{number}.jpg", "Which colour?", f"colour {number}") for number in range(3)]
    for number in range(3):
        write_image(output / "scenarios/mmmu/images/Art" / f"{number}.png", number)
        write_image(output / "scenarios/gqa/images" / f"{number}.jpg", 10 + number)
    for vlm, right in ((GPT, (1, 0, 0)), (CLAUDE, (1, 1, 1)), (IDEFICS, (0, 0, 0))):
        for name, instances in ((ART, art), (GQA, gqa)):
            asked = instances[:2] if (vlm, name) == (CLAUDE, GQA) else instances
            rows = [
                request(instance, "A" if name == ART else "red", match=grade, runtime=0.5 + number)
                for number, (instance, grade) in enumerate(zip(asked, right, strict=False))
            ]
            run = write_run(suite, name, vlm, rows)
            if vlm == IDEFICS:
                summarise(run)
    return (output,)


def write_image(path: Path, seed: int) -> None:
    """An image of one colour, another for each seed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (8, 8), (seed * 10 % 256, 128, 0)).save(path)


def picture(location: str) -> dict[str, Any]:
    """An image as HELM records it."""
    kind = "jpeg" if location.endswith(".jpg") else "png"
    return {"content_type": f"image/{kind}", "location": location}


def words(text: str) -> dict[str, Any]:
    """Text as HELM records it."""
    return {"content_type": "text/plain", "text": text}


def instance(instance_id: str, media: Sequence[Any], references: Sequence[Any], **more: Any) -> dict[str, Any]:
    """What is asked; keys of which the value is None are left out, as in HELM."""
    content = {"multimedia_content": {"media_objects": list(media)}, "text": ""}
    return {"input": content, "references": list(references), "split": "test", "id": instance_id, **more}


def reference(text: str, *, correct: bool = False) -> dict[str, Any]:
    """A possible output."""
    return {"output": {"text": text}, "tags": ["correct"] if correct else []}


def short(instance_id: str, image: str, question: str, answer: str, **more: Any) -> dict[str, Any]:
    """A question with a short answer; the image stands below the evaluator's scenarios folder."""
    media = [picture(f"{ELSEWHERE}/{image}"), words(question)]
    return instance(instance_id, media, [reference(answer, correct=True)], **more)


def choice(instance_id: str, image: str, question: str, options: Sequence[str], right: int) -> dict[str, Any]:
    """A multiple-choice question."""
    media = [words(question), picture(f"{ELSEWHERE}/{image}")]
    references = [reference(option, correct=number == right) for number, option in enumerate(options)]
    return instance(instance_id, media, references, split="valid")


def request(
    asked: dict[str, Any],
    output: str,
    *,
    match: float | None = None,
    runtime: float | None = None,
    metrics: Mapping[str, float] | None = None,
    trial: int = 0,
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """A request's state, and what per_instance_stats.json says of it: an entry from each of two classes of metrics."""
    option_of = {"ABC"[number]: one["output"].get("text", "") for number, one in enumerate(asked["references"][:3])}
    state = {
        "instance": asked,
        "train_trial_index": trial,
        "output_mapping": option_of,
        "request": {
            "model_deployment": "of/the-vlm",
            "model": "of/the-vlm",
            "embedding": False,
            "prompt": "",
            "temperature": 0.0,
            "num_completions": 1,
            "top_k_per_token": 1,
            "max_tokens": 1,
            "stop_sequences": [],
            "echo_prompt": False,
            "top_p": 1,
            "presence_penalty": 0,
            "frequency_penalty": 0,
            "multimodal_prompt": {"media_objects": [words("Answer."), *media_of(asked)]},
        },
        "result": {
            "success": True,
            "embedding": [],
            "completions": [{"text": output, "logprob": 0, "tokens": [], "finish_reason": {"reason": "length"}}],
            "cached": False,
            "request_time": 9.0,
            "request_datetime": 1712345678,
        },
        "num_train_instances": 0,
        "prompt_truncated": False,
        "num_conditioning_tokens": 0,
    }
    basic = {"num_references": float(len(asked["references"])), "inference_runtime": runtime, **(metrics or {})}
    if match is not None:
        basic |= {"exact_match": 0.0, "quasi_exact_match": 0.0, "quasi_prefix_exact_match": float(match)}
    tokens = {"estimated_num_tokens_cost": 12.0}
    return state, [stats_entry(asked, basic, trial), stats_entry(asked, tokens, trial)]


def media_of(asked: dict[str, Any]) -> list[Any]:
    """The parts of an instance's input."""
    return asked["input"]["multimedia_content"]["media_objects"]


def stats_entry(asked: dict[str, Any], metrics: Mapping[str, float | None], trial: int = 0) -> dict[str, Any]:
    """An entry of per_instance_stats.json."""
    context = {key: asked[key] for key in ("split", "perturbation") if key in asked}
    stats = [
        {
            "name": {"name": name, **context},
            **{"count": 1, "sum": value, "sum_squared": value * value, "min": value, "max": value, "mean": value},
            **{"variance": 0.0, "stddev": 0.0},
        }
        for name, value in metrics.items()
        if value is not None
    ]
    entry = {"instance_id": asked["id"], "train_trial_index": trial, "stats": stats}
    return entry | ({"perturbation": asked["perturbation"]} if "perturbation" in asked else {})


def write_run(suite: Path, name: str, vlm: str, rows: Sequence[Any], *, instructions: str = "Answer.") -> Path:
    """Write a run's raw files; its folder."""
    name = f"{name}{',' if ':' in name else ':'}model={vlm.replace('/', '_')}"
    benchmark, _, rest = name.partition(":")
    args = dict(part.split("=") for part in rest.split(",") if not part.startswith("model"))
    spec = {
        "name": name,
        "scenario_spec": {"class_name": f"helm.benchmark.scenarios.{benchmark}_scenario.Scenario", "args": args},
        "adapter_spec": {
            "method": _METHODS.get(benchmark, "generation_multimodal"),
            "global_prefix": "",
            "instructions": instructions,
            "input_suffix": "\n",
            "reference_prefix": "A. ",
            "reference_suffix": "\n",
            "output_prefix": "Answer: ",
            "output_suffix": "\n",
            "instance_prefix": "\n",
            "max_train_instances": 0,
            "num_train_trials": 1,
            "model_deployment": vlm,
            "model": vlm,
            "temperature": 0.0,
            "max_tokens": 1,
        },
        "metric_specs": [{"class_name": "helm.benchmark.metrics.basic_metrics.BasicMetric", "args": {"names": []}}],
        "data_augmenter_spec": {"perturbation_specs": []},
        "groups": [benchmark],
    }
    states = [state for state, _ in rows]
    # HELM writes all entries of one class of metrics, then those of the next.
    entries = [entry for turn in range(2) for _, of_request in rows for entry in of_request[turn : turn + 1]]
    folder = suite / name.replace("/", "_")
    write_json(folder / "run_spec.json", spec)
    write_json(folder / "scenario.json", {"name": benchmark, "description": "", "tags": ["vision-language"]})
    write_json(folder / "scenario_state.json", {"adapter_spec": spec["adapter_spec"], "request_states": states})
    write_json(folder / "per_instance_stats.json", entries)
    write_json(folder / "stats.json", [{"name": {"name": "num_instances", "split": "test"}, "count": 1, "mean": 3.0}])
    return folder


def summarise(run: Path) -> None:
    """Write what helm-summarize derives from a run, and remove the two raw files."""
    states = json.loads((run / "scenario_state.json").read_text())["request_states"]
    entries = json.loads((run / "per_instance_stats.json").read_text())
    shown = ("quasi_prefix_exact_match", "num_prompt_tokens")  # those in the tables
    predictions, requests = [], []
    for state in states:
        asked = state["instance"]
        key = {"instance_id": asked["id"], "train_trial_index": state["train_trial_index"]}
        key |= {"perturbation": asked["perturbation"]} if "perturbation" in asked else {}
        stats = {
            stat["name"]["name"]: stat["mean"]
            for entry in entries
            if all(entry.get(part) == key.get(part) for part in ("instance_id", "train_trial_index", "perturbation"))
            for stat in entry["stats"]
            if stat["name"]["name"] in shown
        }
        text = state["result"]["completions"][0]["text"]
        predictions.append({**key, "predicted_text": text, "stats": stats})
        requests.append({**key, "request": state["request"]})
    write_json(run / "instances.json", [state["instance"] for state in states])
    write_json(run / "display_predictions.json", predictions)
    write_json(run / "display_requests.json", requests)
    (run / "scenario_state.json").unlink()
    (run / "per_instance_stats.json").unlink()


def write_json(path: Path, content: Any) -> None:
    """Write JSON; HELM indents it, which takes three times as long."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content), encoding="utf-8")
