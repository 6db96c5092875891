"""How pages are read, and that a page which promises what does not happen is found out."""

import pytest
from ruamel.yaml import YAML

from tests.docs.markdown import Command, read_blocks, read_commands
from tests.docs.reader import Reader, check_output, write_yaml
from tests.pipeline import Project

PAGE = """\
# Title

```bash
echo one
```

```text
one
```

Prose.

```text
no output, but a tree
```

```yaml
# conf/data/mine.yaml
pools: {new: [b]}
```
"""


def test_blocks_know_their_place():
    echo, output, tree, settings = read_blocks(PAGE)
    assert [block.line for block in (echo, output, tree, settings)] == [3, 7, 13, 17]
    assert (echo.language, echo.text, echo.file) == ("bash", "echo one\n", None)
    assert (echo.is_output, output.is_output, tree.is_output) == (False, True, False)
    assert settings.file == "conf/data/mine.yaml"


def test_commands_are_joined_and_comments_left_out():
    block = """
# a comment
first --flag \\
  value   # said in passing

second "# no comment"
third  # ends with exit status 1, as it finds something
"""
    assert read_commands(block) == [
        Command("first --flag    value"),
        Command('second "# no comment"'),
        Command("third", status=1),
    ]


@pytest.mark.parametrize(
    "expected", ["a\nc", "read 3 rows in ... s", "...\nc", "a\n...\nb", "\n  a  \n"], ids=lambda text: repr(text)
)
def test_output_that_is_there(expected):
    check_output(expected, "a\n  read 3 rows in 0.2 s\nb\nc\n")


@pytest.mark.parametrize("expected", ["c\na", "read 4 rows in ... s", "a\na", "ead 3 rows in 0.2 s"])
def test_output_that_is_not(expected):
    with pytest.raises(AssertionError, match="not printed, or not in this place"):
        check_output(expected, "a\nread 3 rows in 0.2 s\nb\nc\n")


def test_settings_are_changed_and_the_others_stay(tmp_path):
    file = tmp_path / "some.yaml"
    file.write_text("# kept\npools:\n  base: [a] # kept\n  new: []\nood: null\n")
    yaml = YAML()
    write_yaml(file, yaml.load("pools: {new: [b]}\nood: {tasks: [c]}\n"))
    assert file.read_text() == "# kept\npools:\n  base: [a] # kept\n  new: [b]\nood: {tasks: [c]}\n"
    write_yaml(tmp_path / "new/one.yaml", yaml.load("a: 1"))
    assert (tmp_path / "new/one.yaml").read_text() == "a: 1\n"


def follow(tmp_path, text, left_out=()):
    page = tmp_path / "page.md"
    page.write_text(text)
    Reader(Project(tmp_path), left_out).follow(page)


def test_a_reader_does_what_the_page_says(tmp_path):
    follow(
        tmp_path,
        """\
```python
# package/nine.py
NINE = 9
```

```toml
[project.entry-points."some.group"]
nine = "package.nine:NINE"
```

```python
from importlib.metadata import entry_points

(point,) = entry_points(group="some.group")
open("found.txt", "w").write(f"{point.name} is {point.load()}")
```

```bash
left --out
cat found.txt
false   # exit status 1
```
""".replace("false ", "cat found.txt; exit 1 "),
        left_out=["left --out"],
    )
    assert (tmp_path / "found.txt").read_text() == "nine is 9"


@pytest.mark.parametrize(
    ("block", "message"),
    [
        ("```bash\necho said; exit 3\n```", "(?s)page.md, line 3: echo said; exit 3.exit status 3.said"),
        ("```bash\ntrue # exit status 1\n```", "page.md, line 3: true\nexit status 0"),
        ("```bash\necho one\n```\n\n```text\ntwo\n```", "page.md, line 7: not printed, or not in this place: two"),
        ("```python\nimport nowhere\n```", "(?s)page.md, line 3: .*No module named 'nowhere'"),
        ("```yaml\na: [\n```", "page.md, line 3: "),
        ("```toml\na =\n```", "page.md, line 3: Invalid value"),
    ],
)
def test_a_promise_that_is_not_kept(tmp_path, block, message):
    with pytest.raises(AssertionError, match=message):
        follow(tmp_path, f"Prose.\n\n{block}\n")
