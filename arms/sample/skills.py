"""What each simulated VLM is good at: one table of logits, which only the simulator reads."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class Skills:
    """One VLM's logits: a query's traits add theirs to `base`, and the sigmoid of the sum is the chance of being right.

    A trait is a benchmark, a task, a language or its family, a form (see `forms`), or a visual condition (see
    ``Conditions.traits``). What is not listed adds nothing. `pairs` adds its logit where both traits are present.
    """

    base: float
    benchmarks: Mapping[str, float]
    tasks: Mapping[str, float]
    languages: Mapping[str, float]
    conditions: Mapping[str, float]
    forms: Mapping[str, float] = field(default_factory=dict)
    pairs: Mapping[tuple[str, str], float] = field(default_factory=dict)

    def logit(self, traits: Collection[str]) -> float:
        """Log-odds of a right answer to a query with these traits."""
        return (
            self.base
            + sum(
                table.get(trait, 0.0)
                for table in (self.benchmarks, self.tasks, self.languages, self.conditions, self.forms)
                for trait in traits
            )
            + sum(logit for pair, logit in self.pairs.items() if pair[0] in traits and pair[1] in traits)
        )


SKILLS: Mapping[str, Skills] = {
    # Free. The smallest, trained on English screens in dark mode.
    "sim-wren-2b": Skills(
        base=-0.1,
        benchmarks={"shapes-count": 0.5, "words-read": -0.2, "charts-compare": 0.2, "space-relate": 0.2},
        tasks={"count-colour": 0.5, "count-letters": -0.8, "first-letter": 0.9, "bar-value": -0.8, "overlap": 0.4},
        languages={"english": 0.6, "european": -0.8, "asian": -1.6},
        conditions={"dark": 0.4, "light": -0.2, "cluttered": -0.2, "clean": 0.2, "faint": -0.2},
        forms={"several-images": -1.2, "no-image": 0.5, "no-question": -0.8},
        pairs={
            ("no-image", "english"): 1.6,
            ("no-image", "asian"): -0.8,
            ("english", "dark"): 2.6,
            ("english", "light"): -2.2,
            ("asian", "light"): 1.8,
        },
    ),
    # Free. Trained on street photographs and European web text: at home in clutter, lost before a clean page.
    "sim-otter-7b": Skills(
        base=0.0,
        benchmarks={"shapes-count": 0.1, "words-read": 0.2, "charts-compare": -0.2, "space-relate": 0.0},
        tasks={"read-word": 0.7, "count-letters": -0.6, "tallest-bar": 1.0, "shortest-bar": -0.6, "left-of": 0.4},
        languages={"english": -0.3, "european": 1.0, "asian": -1.6, "fr": 0.4},
        conditions={"cluttered": 0.5, "clean": -0.5, "crowded": -0.2, "faint": 0.2},
        forms={"several-images": -0.6, "no-image": -0.6, "no-question": 0.2},
        pairs={
            ("no-image", "european"): 1.4,
            ("no-question", "cluttered"): 1.2,
            ("european", "cluttered"): 2.6,
            ("european", "clean"): -1.6,
            ("english", "cluttered"): 0.6,
        },
    ),
    # Free. Trained on dense documents in Asian scripts: at home in crowds, unsure before few large elements.
    "sim-lynx-8b": Skills(
        base=-0.1,
        benchmarks={"shapes-count": -0.3, "words-read": 0.3, "charts-compare": 0.2, "space-relate": -0.1},
        tasks={"count-all": 0.8, "count-letters": 1.4, "first-letter": -0.7, "bar-value": 1.1, "above": 0.4},
        languages={"english": -0.5, "european": -0.5, "asian": 1.8, "zh": 0.4},
        conditions={"crowded": 0.3, "sparse": -0.5, "cluttered": -0.2, "tilted": -0.3},
        forms={"several-images": 1.2, "no-image": -0.2, "no-question": -0.8},
        pairs={
            ("no-image", "asian"): 0.6,
            ("no-image", "english"): 0.6,
            ("english", "crowded"): 1.6,
            ("english", "sparse"): -1.5,
        },
    ),
    # Free. The largest: reads well and does best on clean, light pictures.
    "sim-heron-11b": Skills(
        base=0.1,
        benchmarks={"shapes-count": -0.6, "words-read": 1.0, "charts-compare": 0.4, "space-relate": -0.2},
        tasks={"read-word": 0.5, "count-letters": -0.4, "bar-value": -0.4, "overlap": 0.3},
        languages={"english": 0.3, "european": 0.2, "asian": -0.6, "hi": -0.6},
        conditions={"light": 0.4, "dark": -0.4, "clean": 0.4, "cluttered": -0.4, "sparse": 0.2, "crowded": -0.2},
        forms={"several-images": 0.2, "no-image": 0.8, "no-question": 0.3},
        pairs={
            ("no-image", "english"): -1.0,
            ("several-images", "european"): 0.8,
            ("no-question", "clean"): 0.8,
            ("european", "dark"): 1.2,
            ("european", "light"): -1.2,
            ("asian", "clean"): 1.2,
            ("asian", "cluttered"): -1.2,
        },
    ),
    # Paid, the dearest. Strong in general; faint pictures are its weakness, above all with English.
    "sim-atlas": Skills(
        base=1.4,
        benchmarks={"shapes-count": 0.2, "words-read": 0.3, "charts-compare": 0.6, "space-relate": 0.1},
        tasks={"count-all": -0.7, "bar-value": 0.6},
        languages={"english": 0.3, "asian": -0.6},
        conditions={"faint": -1.2, "strong": 0.3, "cluttered": -0.4, "tilted": 0.3},
        forms={"several-images": 0.3, "no-image": 0.6, "no-question": 0.2},
        pairs={("no-image", "count-letters"): -1.6, ("english", "faint"): -1.6},
    ),
    # Paid. Made for polyglot support desks: good with faint pictures, bad with crowds.
    "sim-borealis": Skills(
        base=0.5,
        benchmarks={"shapes-count": 0.5, "words-read": -0.3, "charts-compare": 0.0, "space-relate": 0.3},
        tasks={"count-colour": 0.5, "tallest-bar": 0.6},
        languages={"english": -0.4, "european": 0.3, "asian": 0.6},
        conditions={"faint": 0.4, "crowded": -0.4, "sparse": 0.4, "small": -0.3},
        forms={"several-images": 0.4, "no-image": 0.3, "no-question": -0.4},
        pairs={("no-image", "european"): 0.6, ("european", "faint"): 0.8, ("asian", "faint"): 0.8},
    ),
    # Paid, the cheapest. Letters and digits, in English and Chinese, at night.
    "sim-cobalt": Skills(
        base=0.4,
        benchmarks={"shapes-count": -0.5, "words-read": 0.6, "charts-compare": 0.1, "space-relate": 0.0},
        tasks={"count-letters": 0.7, "shortest-bar": 0.7, "left-of": 0.4},
        languages={"english": 0.5, "european": -1.0, "zh": 0.6, "hi": -1.0},
        conditions={"faint": 0.3, "dark": 0.3, "light": -0.3, "large": -0.3, "small": 0.3},
        forms={"several-images": -0.8, "no-image": 0.8, "no-question": -0.2},
        pairs={("no-image", "english"): 0.6, ("english", "faint"): 0.8},
    ),
}
