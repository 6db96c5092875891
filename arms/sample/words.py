"""words-read: questions that read a word, or a code that spells nothing."""

import math
import string
from dataclasses import dataclass

import numpy as np

from arms.sample.canvas import COLOURS, Canvas, text_mask
from arms.sample.conditions import Conditions
from arms.sample.scene import Benchmark, Fact, number_fact

_SHORT_WORDS = (
    "ANT BAY BEE BOX BUS CAT COW CUP DOG EAR EGG EYE FIG FOX GEM HAT HEN ICE INK JAM JAR KEY LEG MAP NUT OAK OWL PEN "
    "PIE RUG SKY SUN TEA TOY URN VAN WAX YAK ZOO BIRD BOAT CAKE CORN DEER DOOR DUCK FISH FROG GOAT HARP KITE LAMP "
    "LEAF LION MOON NEST RAIN ROPE SHIP SNOW STAR TREE VASE WOLF YARN"
)
_LONG_WORDS = (
    "AIRPLANE BACKPACK BASEBALL BUILDING CALENDAR CATHEDRAL CHOCOLATE CROCODILE DINOSAUR DOLPHINS ELEPHANT ENVELOPE "
    "FLAMINGO FURNITURE GEOGRAPHY HEADPHONE HOSPITAL HURRICANE INVENTION JELLYFISH KANGAROO KEYBOARD LABYRINTH "
    "LIGHTHOUSE MAGAZINE MOUNTAIN MOSQUITO NEWSPAPER NOTEBOOK ORCHESTRA PARACHUTE PENGUINS PINEAPPLE PLATFORM "
    "QUESTION RAINFOREST SANDWICH SATELLITE SNOWFLAKE STRAWBERRY SUBMARINE SUNFLOWER TELEPHONE TELESCOPE TOMORROW "
    "TRIANGLE UMBRELLA UNIVERSE VEGETABLE VOLCANOES WATERFALL WINDMILLS XYLOPHONE YESTERDAY"
)
_WORDS = {False: _SHORT_WORDS.split(), True: _LONG_WORDS.split()}  # by crowded
_CODE_LETTERS = {False: (3, 4), True: (8, 10)}  # by crowded, both ends included
_CODE_SHARE = 0.5

_FILL = (0.9, 0.55)  # of the picture's width and height
_TRIAL_SIZE = 100  # px; the size at which a text is measured before it is fitted

# What a letter is easily taken for; never the letter itself.
_DOUBLES = dict(zip(string.ascii_uppercase, "48GOFE6N1IXINM0ROP5IVUVYV2", strict=True))


@dataclass(frozen=True, slots=True)
class WordScene:
    """One line of capital letters."""

    text: str
    colour: str
    tilt: float  # degrees counter-clockwise

    def paint(self, canvas: Canvas) -> None:
        """Write the text across the middle of the picture, as large as it fits."""
        mask = text_mask(self.text, self._fitting_size(canvas.width, canvas.height))
        canvas.stamp(mask, canvas.tone(COLOURS[self.colour]), (canvas.width / 2, canvas.height / 2), self.tilt)

    def ask(self, task: str, rng: np.random.Generator) -> Fact:
        """Ask for the text, the number of its letters, or its first letter."""
        if task == "count-letters":
            return number_fact(task, len(self.text))
        if task == "read-word":
            spots = rng.choice(len(self.text), size=2, replace=False).tolist()
            return Fact(
                task=task,
                answer=self.text,
                under=tuple(self.text[:spot] + self.text[spot + 1 :] for spot in spots),
                over=tuple(self.text[:spot] + _DOUBLES[self.text[spot]] + self.text[spot + 1 :] for spot in spots),
            )
        first = self.text[0]
        double = _DOUBLES[first]
        # Without the first letter the second one is first.
        return Fact(task=task, answer=first, under=(self.text[1] if self.text[1] != first else double,), over=(double,))

    def tell(self, language: str) -> tuple[str, ...]:
        """Spell the text, which is the same in every language."""
        return tuple(self.text)

    @property
    def amount(self) -> int:
        """The number of letters."""
        return len(self.text)

    def _fitting_size(self, width: int, height: int) -> int:
        """Font size in px at which the turned text fills its share of the picture."""
        trial = text_mask(self.text, _TRIAL_SIZE)
        cosine, sine = math.cos(math.radians(self.tilt)), abs(math.sin(math.radians(self.tilt)))
        across, down = trial.width * cosine + trial.height * sine, trial.width * sine + trial.height * cosine
        return max(8, int(_TRIAL_SIZE * min(_FILL[0] * width / across, _FILL[1] * height / down)))


def draw_word(conditions: Conditions, rng: np.random.Generator) -> WordScene:
    """Draw a short text, or a long one in a crowded picture: a word or a code, evenly."""
    if rng.random() < _CODE_SHARE:
        low, high = _CODE_LETTERS[conditions.crowded]
        text = "".join(rng.choice(list(string.ascii_uppercase), size=rng.integers(low, high + 1)).tolist())
    else:
        text = str(rng.choice(_WORDS[conditions.crowded]))
    return WordScene(text, str(rng.choice(list(COLOURS))), conditions.tilt)


WORDS_READ = Benchmark(
    name="words-read",
    tasks=("read-word", "count-letters", "first-letter"),
    told_tasks=("read-word", "count-letters", "first-letter"),
    comparison="more-letters",
    draw_scene=draw_word,
)
