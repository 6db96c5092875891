"""What benchmarks/encoders.py measured, as a section in Markdown."""

from collections.abc import Sequence
from typing import Any

from arms.reports.markdown import markdown_table

Line = dict[str, Any]
_SPLITS = ("val", "id", "ood")


def encoders_page(report: dict[str, Any]) -> str:
    """The section of the bundled encoders.

    Parameters
    ----------
    report : dict
        The content of encoders.json: settings, machine, commit and lines.
    """
    lines, scale, machine = report["lines"], report["settings"], report["machine"]
    variants = [line for line in lines if line["kind"] == "variant"]
    parts = [
        "## The bundled encoders",
        f"`python -m benchmarks.encoders`, commit {str(report['commit']['id'])[:7]}, {report['took_s'] / 60:.0f} min "
        f"on {machine['cores']} cores ({machine['cpu']}). Drawn pictures of a held-out seed: "
        f'{scale["train_pictures"]:,} to fit on, {scale["test_pictures"]:,} to judge by. "Untrained" are the bundled '
        f'architectures before training, "pixels and words" {scale["components"]} principal components of the pixels '
        "at 32 px, and of the texts' TF-IDF.",
        "Share of held-out pictures whose attribute a linear map of the embedding tells. The image tower was trained "
        "to tell these attributes of other pictures, but for the first letter:",
        probe_table([line for line in lines if line["kind"] == "probe"]),
        "Finding a picture's own caption, and a caption's own picture, in a space fitted on the embeddings (canonical "
        "correlation):",
        retrieval_table([line for line in lines if line["kind"] == "retrieval"]),
    ]
    if variants:
        parts.append(
            "Routing, base pool. The pair trained from nothing trains for the default number of epochs; the others "
            "for as many as fit into the time that it takes, encoding included (at least one, also where that takes "
            "longer). EM with 95 % intervals, margins paired."
        )
    for dataset in dict.fromkeys(variant["dataset"] for variant in variants):
        parts += _routing([variant for variant in variants if variant["dataset"] == dataset])
    return "\n\n".join(parts) + "\n"


def probe_table(probes: Sequence[Line]) -> str:
    """Accuracy of every attribute by encoder."""
    encoders = list(dict.fromkeys(probe["encoder"] for probe in probes))
    rows = [["attribute", "values", *encoders, "most frequent value", "pictures"]]
    for attribute in dict.fromkeys(probe["attribute"] for probe in probes):
        same = {probe["encoder"]: probe for probe in probes if probe["attribute"] == attribute}
        one = same[encoders[0]]
        accuracies = [f"{same[encoder]['accuracy']:.3f}" for encoder in encoders]
        rows.append([attribute, str(one["values"]), *accuracies, f"{one['majority']:.3f}", f"{one['pictures']:,}"])
    return markdown_table(rows)


def retrieval_table(retrievals: Sequence[Line]) -> str:
    """Recall by encoder."""
    rows = [["encoder", "own caption first", "in the first ten", "own picture first", "in the first ten", "among"]]
    for found in retrievals:
        shares = (found[key] for key in ("caption_first", "caption_in_ten", "picture_first", "picture_in_ten"))
        rows.append([found["encoder"], *(f"{share:.3f}" for share in shares), f"{found['among']:,}"])
    return markdown_table(rows)


def _routing(variants: Sequence[Line]) -> list[str]:
    singles = (f"{variants[0]['em'][split]['arms']['best_single_em']:.3f} on {split}" for split in _SPLITS)
    title = f"**{variants[0]['dataset']}** (best single VLM {', '.join(singles)})"
    return [title, routing_table(variants), margin_table(variants)]


def routing_table(variants: Sequence[Line]) -> str:
    """EM and times by encoder pair."""
    columns = [("arms", split) for split in _SPLITS] + [("knn", "id"), ("knn", "ood")]
    names = {"arms": "ARMS", "knn": "kNN"}
    rows = [["encoders", "epochs", "encode, s", "train, s", *(f"{names[name]}, {split}" for name, split in columns)]]
    for variant in variants:
        times = (f"{variant['epochs']}", f"{variant['encode_s']:.0f}", f"{variant['train_s']:.0f}")
        rows.append([variant["encoders"], *times, *(_share(variant["em"][split][name]) for name, split in columns)])
    return markdown_table(rows)


def margin_table(variants: Sequence[Line]) -> str:
    """What each pair has over those that it is to beat, on val and id."""
    rows = [["encoders", "router", "over", "val", "id"]]
    for variant in variants:
        for router, name in (("arms", "ARMS"), ("knn", "kNN")):
            val, test = (variant["em"][split][router] for split in ("val", "id"))
            for key in (key for key in test if key.startswith("over ")):
                other = key.removeprefix("over ")
                rows.append([variant["encoders"], name, other, _margin(val[key]), _margin(test[key])])
    return markdown_table(rows)


def _share(metrics: dict[str, Any]) -> str:
    return f"{metrics['em']:.3f} ({metrics['em_low']:.3f} to {metrics['em_high']:.3f})"


def _margin(margin: dict[str, float]) -> str:
    return f"{margin['difference']:+.3f} ({margin['low']:+.3f} to {margin['high']:+.3f})"
