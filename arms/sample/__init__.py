"""The embedded sample dataset: drawn pictures, questions in six languages and simulated VLMs, all from a seed.

A picture is a scene (`shapes`, `words`, `charts`, `relations`) drawn under visual conditions (`conditions`, `canvas`).
A question is a fact about the scene (`scene`) put in some language (`questions`, `lexicon`); some queries (`forms`,
`asking`) have two pictures, a scene only told in words, or a picture without a question. A VLM of the `fleet` is
right with a chance that its `skills` give for the conditions, the task and the language together (`simulator`), so that
a router needs both the picture and the text; what it says is in `answers`. `generate` puts it all together.
"""

from arms.sample.forms import Forms
from arms.sample.generate import generate_sample

__all__ = ["Forms", "generate_sample"]
