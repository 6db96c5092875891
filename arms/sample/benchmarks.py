"""The sample's benchmarks, in their fixed order: a picture's generator is derived from its benchmark's place here."""

from arms.sample.charts import CHARTS_COMPARE
from arms.sample.relations import SPACE_RELATE
from arms.sample.scene import Benchmark
from arms.sample.shapes import SHAPES_COUNT
from arms.sample.words import WORDS_READ

BENCHMARKS: tuple[Benchmark, ...] = (SHAPES_COUNT, WORDS_READ, CHARTS_COMPARE, SPACE_RELATE)
