"""Import what a gateway learned: its decisions with feedback, from SQLite or PostgreSQL."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import ClassVar

from arms.errors import ArmsError
from arms.importers.base import Importer, Intake, Log, setting
from arms.importers.builder import LogBuilder, QueryRow
from arms.importers.gateway.queries import Asked, asked_queries
from arms.importers.verdicts import GradeRule
from arms.progress import progress_bar
from arms.traffic.reading import read_decisions, read_feedback, read_pictures, read_questions
from arms.traffic.store import Store, open_store
from arms.traffic.times import as_utc

_KEEP = "set keep.{0}: true in the gateway's settings for what is to come"


@dataclass(frozen=True, kw_only=True)
class GatewayImporter(Importer):
    """The log of `arms serve`."""

    summary: ClassVar[str] = "The log of `arms serve`, a SQLite file or the URL of a database: decisions with feedback."
    description: ClassVar[str] = (
        "A query is what was asked; requests that asked the same are one query, under the id of the first. An outcome "
        "is what feedback said of a VLM's answer: of several, the latest. Questions and pictures must have been kept "
        "(keep in the gateway's settings); --no-images needs only the questions."
    )
    example: ClassVar[str] = "arms import gateway memory.db --name mine"

    since: str | None = setting("The first day to read, such as 2026-11-01, in UTC; all by default.", metavar="DATE")
    benchmark: str = setting("The benchmark.", "gateway")
    task: str = setting("The task.", "gateway")
    language: str = setting("The language of the questions.", "en")
    threshold: float | None = setting("The score from which on an answer without a verdict is correct; else 0.5.")

    def read(self, sources: Sequence[Path], intake: Intake) -> Log:
        """Read SQLite files."""
        return self.read_urls([str(source) for source in sources], intake)

    def read_urls(self, urls: Sequence[str], intake: Intake) -> Log:
        """Read databases."""
        if len(urls) != 1:
            raise ArmsError(f"gateway: expected one source, a log of `arms serve`, got {len(urls)}")
        store = open_store(urls[0])
        try:
            return self._read(store, intake, as_utc(self.since, "--since"))
        finally:
            store.close()

    def _read(self, store: Store, intake: Intake, since: datetime | None) -> Log:
        asked = list(asked_queries(read_decisions(store, since), read_feedback(store)))
        if not asked:
            raise ArmsError(
                f"{store.shown}: expected decisions with feedback, got none; send the gateway feedback on its answers"
            )
        questions = read_questions(store, [query.question_sha256 for query in asked])
        images = {} if intake.no_images else self._take_pictures(store, asked, intake)
        builder = LogBuilder(intake.aside, GradeRule(threshold=self.threshold), verdict_metrics=("feedback",))
        with progress_bar("read", "queries") as progress:
            for done, query in enumerate(asked, start=1):
                self._add(query, questions, images, builder, intake, store.shown)
                progress(done, len(asked))
        if intake.aside.count == len(asked):
            raise ArmsError(f"{store.shown}: expected a query that can be used, got none\n{intake.aside.text()}")
        return builder.build()

    def _take_pictures(self, store: Store, asked: Sequence[Asked], intake: Intake) -> dict[str, str]:
        """The references of the pictures that were kept, by their checksums."""
        wanted = [sha256 for query in asked for sha256 in query.image_sha256]
        return {sha256: intake.images.add(content) for sha256, content in read_pictures(store, wanted)}

    def _add(
        self,
        query: Asked,
        questions: dict[str, str],
        images: dict[str, str],
        builder: LogBuilder,
        intake: Intake,
        shown: str,
    ) -> None:
        """Add a query with its outcomes; set aside if its question or a picture was not kept."""
        where = f"{shown}, request {query.query_id}"
        if query.question_sha256 not in questions:
            intake.aside.add("question that was not kept", where, _KEEP.format("questions"))
            return
        if not intake.no_images and not images.keys() >= set(query.image_sha256):
            advice = f"{_KEEP.format('images')}, or import questions only: --no-images"
            intake.aside.add("picture that was not kept", where, advice)
            return
        row = QueryRow(
            query_id=query.query_id,
            benchmark=self.benchmark,
            task=self.task,
            language=self.language,
            question=questions[query.question_sha256],
            image=[images[sha256] for sha256 in query.image_sha256 if sha256 in images],
        )
        if builder.add_query(row, where):
            for learned in query.learned:
                vlm, correct = learned.pop("vlm"), learned.pop("correct")
                told, metric = (learned["score"], "score") if correct is None else (correct, "feedback")
                builder.add_outcome(where, query.query_id, vlm, grade=told, metric=metric, **learned)
