"""Which files of the project import which, read from the source, and what a program reaches with them."""

import ast
import re
from collections.abc import Callable, Collection, Iterable, Iterator
from pathlib import Path

TOPS = ("arms", "stages", "studies")
_CLASS = re.compile(r"(\w+(?:\.\w+)+):\w+")  # as a registry names a class that it loads on first use


class SourceTree:
    """The modules of a checkout, by their dotted names.

    Parameters
    ----------
    root : Path
        The folder that holds `arms`, `stages` and `studies`.
    """

    def __init__(self, root: Path) -> None:
        files = [file.relative_to(root) for top in TOPS for file in sorted((root / top).rglob("*.py"))]
        self.files = {_dotted(file): file for file in files}
        self._code = {name: ast.parse((root / file).read_text(encoding="utf-8")) for name, file in self.files.items()}
        self._imports = {name: self._imports_of(name) for name in self.files}

    def imports_of(self, module: str) -> set[str]:
        """The modules that a module imports, inside functions too, but not those that only type hints need."""
        return self._imports[module]

    def loads_of(self, module: str) -> set[str]:
        """What a module imports, the packages around it, and the modules whose classes it names for later."""
        strings = {node.value for node in ast.walk(self._code[module]) if isinstance(node, ast.Constant)}
        named = {match[1] for text in strings if isinstance(text, str) and (match := _CLASS.fullmatch(text))}
        return self._imports[module] | {*_parents(module), *named} & self.files.keys()

    def closure(self, module: str, without: Collection[str] = ()) -> set[str]:
        """All modules that may be loaded when one runs, itself included; `without` are left out and not followed."""
        return _reach({module}, lambda name: self.loads_of(name) - set(without))

    def others_at_import(self, *modules: str) -> dict[str, str]:
        """The other libraries that are imported when some modules are, each with a module that does."""
        reached = _reach(set(modules), lambda name: self._internal(_imported(self._code[name], functions=False), name))
        reached |= {parent for name in reached for parent in _parents(name)}
        found = {}
        for name in sorted(reached & self.files.keys()):
            tops = {imported.partition(".")[0] for imported in _imported(self._code[name], functions=False)}
            found.update(dict.fromkeys(tops - set(TOPS), name))
        return found

    def circles(self) -> list[list[str]]:
        """The groups of modules that import each other, directly or through others of the group."""
        reach = {name: _reach(self._imports[name], self.imports_of) for name in self.files}
        groups = {frozenset(other for other in reach[name] if name in reach[other]) for name in self.files}
        return sorted(sorted(group) for group in groups if group)

    def room_of(self, module: str) -> str:
        """The folder below `arms` that a module is in; of any other module its own file."""
        parts = self.files[module].parts
        return "/".join(parts[:2] if parts[0] == "arms" else parts)

    def _imports_of(self, module: str) -> set[str]:
        return self._internal(_imported(self._code[module]), module)

    def _internal(self, imported: Iterable[str], module: str) -> set[str]:
        """The modules of the checkout behind what one module imports."""
        found: set[str] = set()
        for name in imported:
            while name and name not in self.files:  # a name within a module, or another library's
                name = name.rpartition(".")[0]
            found.add(name)
        return found - {"", module}


def _reach(start: Collection[str], follow: Callable[[str], set[str]]) -> set[str]:
    reached, waiting = set(start), list(start)
    while waiting:
        new = follow(waiting.pop()) - reached
        reached |= new
        waiting += new
    return reached


def _imported(node: ast.AST, *, functions: bool = True) -> Iterator[str]:
    """The dotted names that code imports, with the name behind `from ... import`; inside functions too, if wanted."""
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        assert not node.level, "the project writes no relative imports"
        yield from (f"{node.module}.{alias.name}" for alias in node.names)
    elif isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING"):
        for other in node.orelse:
            yield from _imported(other, functions=functions)
    elif functions or not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        for child in ast.iter_child_nodes(node):
            yield from _imported(child, functions=functions)


def _parents(module: str) -> Iterator[str]:
    """The packages around a module: importing it runs their __init__.py."""
    parts = module.split(".")
    return (".".join(parts[:end]) for end in range(1, len(parts)))


def _dotted(file: Path) -> str:
    parts = file.with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
