"""The sample's benchmarks, in their fixed order: a picture's generator is derived from its benchmark's place here."""

from arms.data.sample.charts import CHARTS_COMPARE
from arms.data.sample.relations import SPACE_RELATE
from arms.data.sample.scene import Benchmark
from arms.data.sample.shapes import SHAPES_COUNT
from arms.data.sample.words import WORDS_READ

BENCHMARKS: tuple[Benchmark, ...] = (SHAPES_COUNT, WORDS_READ, CHARTS_COMPARE, SPACE_RELATE)
