"""Import outcomes in M2's own form, one record for each query and VLM: a preset of the records importer."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from arms.importers.base import Importer, Intake, Log, setting
from arms.importers.records.join import read_records
from arms.importers.records.plan import Plan
from arms.importers.records.records_importer import field_of
from arms.importers.verdicts import RANGE_HELP, GradeRule, parse_range

FIELDS: dict[str, tuple[str, ...]] = {  # the names in M2 itself are not published
    "query_id": ("id", "query_id"),
    "benchmark": ("benchmark", "source", "dataset"),
    "task": ("task",),
    "language": ("language",),
    "question": ("question", "text", "query"),
    "image": ("image", "image_path"),
    "answer": ("ground_truth", "answer", "target"),
    "group": ("group",),
    "split": ("split",),
    "vlm": ("vlm", "model"),
    "grade": ("label", "correct"),
    "output": ("output", "response", "answer_text"),
    "cost_usd": ("cost", "cost_usd"),
    "latency_s": ("latency", "latency_s"),
    "score": ("score",),
    "propensity": ("propensity",),
}
_CALLED = {"query_id": "id", "answer": "ground-truth", "grade": "label", "cost_usd": "cost", "latency_s": "latency"}
FLAGS = {held: f"--{_CALLED.get(held, held)}-field" for held in FIELDS}


@dataclass(frozen=True, kw_only=True)
class M2Importer(Importer):
    """M2 records."""

    summary: ClassVar[str] = "Files of M2's records (arXiv:2606.08970), JSON Lines or Parquet, or folders of them."
    description: ClassVar[str] = (
        "A record holds an image and a question, the VLM that was asked, its output, language, task, ground truth and "
        "label (right or wrong), and for commercial VLMs cost in USD and latency in seconds. The names of M2's fields "
        "are not published: these are ours until they are. Each may be spelled in the ways below; a file has one of "
        "them, or several that say the same, and a flag names another.\n\n\b\n"
        + "\n".join(f"  {FLAGS[held]:<21} {', '.join(names)}" for held, names in FIELDS.items())
        + "\n\nNeeded are image, question, vlm and label. An image is a path, a data URI, base64, bytes, or the "
        "{bytes, path} of Hugging Face's datasets, or a list of these. Records are of one query if they agree on "
        "benchmark and id, or without ids on benchmark, image and question. The field split is used with "
        "`splits.by: recorded`."
    )
    example: ClassVar[str] = "arms import m2 m2/*.parquet --name m2 --images m2/images"

    image_field: str | None = setting("Field of the image.", metavar="FIELD")
    question_field: str | None = setting("Field of the question.", metavar="FIELD")
    vlm_field: str | None = setting("Field of the VLM's name.", metavar="FIELD")
    label_field: str | None = setting("Field of the label.", metavar="FIELD")
    output_field: str | None = setting("Field of the VLM's output.", metavar="FIELD")
    ground_truth_field: str | None = setting("Field of the right answer.", metavar="FIELD")
    benchmark_field: str | None = setting("Field of the benchmark that a query comes from.", metavar="FIELD")
    task_field: str | None = setting("Field of the task; where there is none, it is the benchmark.", metavar="FIELD")
    language_field: str | None = setting("Field of the question's language.", metavar="FIELD")
    id_field: str | None = setting("Field of the query's id.", metavar="FIELD")
    group_field: str | None = setting(
        "Field of the group: queries of one stay on one side of a split.", metavar="FIELD"
    )
    split_field: str | None = setting("Field of the recorded split: train, val, id or test, ood.", metavar="FIELD")
    cost_field: str | None = setting("Field of the cost in USD.", metavar="FIELD")
    latency_field: str | None = setting("Field of the latency in seconds.", metavar="FIELD")
    score_field: str | None = setting("Field of the score in [0, 1], kept beside the label.", metavar="FIELD")
    propensity_field: str | None = setting(
        "Field of the chance in (0, 1] with which the VLM was asked, where a policy drew it.", metavar="FIELD"
    )
    benchmark: str = setting("The benchmark, where there is no field of it.", "m2")
    language: str = setting("The questions' language, where there is no field of it.", "en")
    exact_match: bool = setting(
        "A record without a label is right if its output is the ground truth to the letter.", False
    )
    right: tuple[str, ...] = setting("A word that means right; repeat for several.", (), metavar="WORD")
    wrong: tuple[str, ...] = setting("A word that means wrong; repeat for several.", (), metavar="WORD")
    threshold: float | None = setting("The grade from which on an answer is correct, if labels are grades.")
    lower_is_better: bool = setting("Less is better: an answer is correct up to the threshold.", False)
    grade_range: str | None = setting(RANGE_HELP, metavar="LOW,HIGH")

    def read(self, sources: Sequence[Path], intake: Intake) -> Log:
        """Read files, and join their records."""
        named = {held: name for held, flag in FLAGS.items() if (name := getattr(self, field_of(flag))) is not None}
        graded = ("output", "answer") if self.exact_match else ("grade",)
        plan = Plan(
            columns={held: (named[held],) if held in named else names for held, names in FIELDS.items()},
            flags=FLAGS,
            required=(*(() if intake.no_images else ("image",)), "question", "vlm", *graded, *named),
            no_images=intake.no_images,
            noun="field",
            metric=self.label_field or "label",
            rule=GradeRule(
                threshold=self.threshold,
                lower_is_better=self.lower_is_better,
                grade_range=parse_range(self.grade_range),
                right=self.right,
                wrong=self.wrong,
            ),
            benchmark=self.benchmark,
            language=self.language,
            suffixes=(".jsonl", ".ndjson", ".parquet"),
            others_are=".jsonl",
            exact_match=self.exact_match,
            ids_per_benchmark=True,
        )
        return read_records(sources, plan, intake)
