import io
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr
from types import SimpleNamespace

import pytest

from arms import progress
from arms.progress import Progress


class Terminal(io.StringIO):
    """An error stream that somebody watches."""

    def isatty(self) -> bool:
        return True


@contextmanager
def shown_in(stream: io.StringIO) -> Iterator[Progress]:
    """A progress bar that goes to a stream. Set here, as pytest sets its own streams after the fixtures."""
    with redirect_stderr(stream), progress._on_stderr("encode image", "images") as update:
        yield update


def last_state(terminal: Terminal) -> str:
    """What stands in the terminal's line at the end."""
    *_, before, after = terminal.getvalue().split("\r")
    return (before.strip() and before) + after


class TestTerminal:
    def test_a_bar(self) -> None:
        terminal = Terminal()
        with shown_in(terminal) as update:
            update(1, 10)
            time.sleep(0.11)  # it is drawn ten times a second at most
            update(5, 20)
            assert "encode image:  10%|" in terminal.getvalue()
            assert "1/10 [00:00<?" in terminal.getvalue(), "no estimate before anything is measured"
            assert "5/20 [" in terminal.getvalue(), "the total may change"
        assert "\n" not in terminal.getvalue()
        assert last_state(terminal) == "", "the bar goes away at the end"

    def test_a_bar_without_a_total(self) -> None:
        terminal = Terminal()
        with shown_in(terminal) as update:
            update(1, None)
            time.sleep(0.11)
            update(5, None)
            assert "encode image: 5 images [" in terminal.getvalue()

    def test_nothing_without_work(self) -> None:
        terminal = Terminal()
        with shown_in(terminal):
            pass
        assert terminal.getvalue() == ""

    def test_one_bar_even_of_nothing_to_do(self, monkeypatch: pytest.MonkeyPatch) -> None:
        made = []
        real = progress.tqdm
        monkeypatch.setattr(progress, "tqdm", lambda **options: made.append(real(**options)) or made[-1])
        with shown_in(Terminal()) as update:
            update(0, 0)
            update(0, 0)
        assert len(made) == 1

    def test_a_bar_goes_away_when_work_fails(self) -> None:
        terminal = Terminal()

        def fail() -> None:
            with shown_in(terminal) as update:
                update(1, 2)
                raise RuntimeError("work")

        with pytest.raises(RuntimeError, match="work"):
            fail()
        assert "1/2 [" in terminal.getvalue()
        assert last_state(terminal) == ""


class TestPipe:
    @pytest.fixture
    def at(self, monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
        """Sets the clock, which is at zero when the work begins."""
        now = SimpleNamespace(s=0.0)
        monkeypatch.setattr(progress, "time", SimpleNamespace(monotonic=lambda: now.s))
        return lambda seconds: setattr(now, "s", seconds)

    def test_a_line_every_ten_seconds(self, at: Callable[[float], None]) -> None:
        stream = io.StringIO()
        with shown_in(stream) as update:
            for second in range(1, 31):
                at(second)
                update(second * 200, 6000)
        assert stream.getvalue().splitlines() == [
            "encode image: 2,000 of 6,000 images, 200.0 images/s, 20 s left",
            "encode image: 4,000 of 6,000 images, 200.0 images/s, 10 s left",
            "encode image: 6,000 of 6,000 images, 200.0 images/s, 0 s left",
        ]

    def test_quick_work_is_not_worth_a_line(self, at: Callable[[float], None]) -> None:
        stream = io.StringIO()
        with shown_in(stream) as update:
            at(9)
            update(5, 10)
        assert stream.getvalue() == ""

    def test_no_rate_yet(self, at: Callable[[float], None]) -> None:
        stream = io.StringIO()
        with shown_in(stream) as update:
            at(10)
            update(0, 10)
        assert stream.getvalue() == "encode image: 0 of 10 images\n"

    def test_without_a_total_there_is_no_time_left(self, at: Callable[[float], None]) -> None:
        stream = io.StringIO()
        with shown_in(stream) as update:
            for second in range(1, 21):
                at(second)
                update(second * 200, None)
        assert stream.getvalue().splitlines() == [
            "encode image: 2,000 images, 200.0 images/s",
            "encode image: 4,000 images, 200.0 images/s",
        ]

    def test_what_came_before_the_first_report_is_no_part_of_the_rate(self, at: Callable[[float], None]) -> None:
        """Of 32,000 images one was done after 22 s of loading: that is no estimate of 711,126 s."""
        stream = io.StringIO()
        with shown_in(stream) as update:
            for second, done in ((22, 1), (25, 301), (33, 1101)):
                at(second)
                update(done, 32_101)
        assert stream.getvalue().splitlines() == [
            "encode image: 1 of 32,101 images",
            "encode image: 1,101 of 32,101 images, 100.0 images/s, 310 s left",
        ]
