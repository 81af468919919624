"""What a command or a notebook depends on, read from source text: library files, and the artefacts a notebook saves.

Snakemake does not see an edit of an imported module, so the workflow declares modules as inputs; editing ``plots.py``
then reruns the notebooks that use it and trains nothing. Nothing is imported here, only parsed.
"""

from __future__ import annotations

import ast
import functools
import json
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from avsep_lib.errors import ConfigError
from avsep_lib.paths import project_root
from avsep_lib.remembered import Remembered

PACKAGE = "avsep_lib"
READING = 1  # of `_named`: another number forgets what was remembered of source texts
LONGEST_NAME = 60  # characters of a literal that may name a file or a module
EXTENSIONS = {"save_figure": ("fig", ("png", "svg")), "save_table": ("tab", ("csv", "md", "tex"))}


@dataclass(frozen=True)
class Artifact:
    """One figure or table that a notebook saves."""

    stem: str
    files: tuple[str, ...]  # names below results/<profile>/artifacts, sidecar included
    caption: str


def modules_of(module: str) -> list[Path]:
    """Source files that importing or running a module of the package can execute.

    The static closure: imports at any level (inside functions, under ``TYPE_CHECKING``), the packages on the way, the
    dotted names of modules in string literals (lazy look-ups) and files beside a module that it names (style sheets).

    Parameters
    ----------
    module : str
        Dotted name, e.g. ``"avsep_lib.train"``; a package also counts its ``__main__``.

    Returns
    -------
    list of Path
        Relative to the checkout, sorted.

    Raises
    ------
    ConfigError
        No such module, or a source that does not parse.
    """
    return list(_closure_files(module))


@functools.cache
def _closure_files(module: str) -> tuple[Path, ...]:
    if _source(module) is None:
        raise ConfigError(f"no module {module} in {_package_root()}")
    return _files(_closure(first_modules(module)))


def modules_of_notebook(notebook: str | Path) -> list[Path]:
    """Library files that a notebook's code cells depend on; see `modules_of`."""
    return list(_files(_closure(first_modules(str(notebook)))))


def notebook_code(notebook: str | Path) -> str:
    """The code cells of a notebook as one text, without IPython magics.

    Raises
    ------
    ConfigError
        The file is missing or no notebook.
    """
    try:
        cells = json.loads(Path(notebook).read_text())["cells"]
    except (OSError, ValueError, KeyError) as error:
        raise ConfigError(f"{notebook}: not a readable notebook ({error})") from None
    code = ("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")
    lines = (line for text in code for line in text.splitlines())
    return "\n".join("" if line.lstrip().startswith(("%", "!")) else line for line in lines)


def artifacts_of_notebook(notebook: str | Path) -> list[Artifact]:
    """Figures and tables that a notebook saves, in order.

    Raises
    ------
    ConfigError
        A `save_figure` or `save_table` whose name or caption is not a literal, or a name saved twice.
    """
    found: dict[str, Artifact] = {}
    for node in ast.walk(_parse(notebook_code(notebook), str(notebook))):
        if isinstance(node, ast.Call) and _called(node) in EXTENSIONS:
            artifact = _artifact(node, str(notebook))
            if artifact.stem in found:
                raise ConfigError(f"{notebook}: {artifact.stem} is saved twice")
            found[artifact.stem] = artifact
    return list(found.values())


def _called(node: ast.Call) -> str:
    return getattr(node.func, "attr", getattr(node.func, "id", ""))


def _artifact(node: ast.Call, place: str) -> Artifact:
    kind, extensions = EXTENSIONS[_called(node)]
    keywords = {keyword.arg: keyword.value for keyword in node.keywords}
    name = _literal(keywords.get("name", node.args[1] if len(node.args) > 1 else None))
    caption = _literal(keywords.get("caption"))
    if not name or not caption:
        raise ConfigError(f"{place}: {_called(node)} needs its name and caption as literals (the workflow reads them)")
    stem = f"{kind}_{name}"
    extra = ("csv",) if kind == "fig" and "data" in keywords else ()
    return Artifact(stem, tuple(f"{stem}.{e}" for e in (*extensions, *extra, "json")), " ".join(caption.split()))


def _literal(node: ast.expr | None) -> str:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


def next_modules(module: str) -> frozenset[str]:
    """Modules that a module itself names, and the package it lies in."""
    return _read_module(module).modules | ({module.rpartition(".")[0]} - {""})


def first_modules(start: str) -> list[str]:
    """Where a closure begins: a module with its ``__main__``, or what a notebook's code names; sorted."""
    if start.endswith(".ipynb"):
        return sorted(_read(notebook_code(project_root() / start), "", start).modules)
    return [name for name in (start, f"{start}.__main__") if _source(name) is not None]


def _closure(names: Iterable[str]) -> set[str]:
    """All modules reachable from `names`, the packages they lie in included."""
    reached: set[str] = set()
    waiting = set(names)
    while waiting:
        name = waiting.pop()
        reached.add(name)
        waiting |= next_modules(name) - reached
    return reached


@dataclass(frozen=True)
class _Source:
    """What a source text names: modules of the package, and short literals that may be files beside it."""

    modules: frozenset[str]
    literals: frozenset[str]


Names = tuple[list[str], list[str]]  # dotted names that may be modules, short literals


@functools.cache
def _remembered() -> Remembered:
    """What source texts name, from one process to the next: parsing all of them takes a second."""
    return Remembered("names_in_sources")


@functools.cache
def _read_module(module: str) -> _Source:
    source = _source(module)
    package = module if source.name == "__init__.py" else module.rpartition(".")[0]
    return _read(source.read_text(), package, str(source))


def _read(text: str, package: str, place: str) -> _Source:
    """What a source text names; `package` resolves relative imports."""
    found = functools.partial(_named, text, package, place)
    names, literals = _remembered().recall(str(READING), package, text, found=found)
    return _Source(frozenset(name for name in names if _source(name) is not None), frozenset(literals))


def _named(text: str, package: str, place: str) -> Names:
    """One parse and one walk of a source text: names that may be modules, and short literals; nothing else is looked at."""
    names, literals = set(), set()
    for node in ast.walk(_parse(text, place)):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = _absolute(node, package)
            names.update((base, *(f"{base}.{alias.name}" for alias in node.names)))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and 0 < len(node.value) < LONGEST_NAME:
            literals.add(node.value)
    dotted = {literal for literal in literals if literal.startswith(f"{PACKAGE}.")}
    return sorted(name for name in names | dotted if name.split(".")[0] == PACKAGE), sorted(literals)


def _absolute(node: ast.ImportFrom, package: str) -> str:
    if not node.level:
        return node.module or ""
    parts = package.split(".")
    return ".".join(parts[: len(parts) - node.level + 1] + ([node.module] if node.module else []))


def _parse(text: str, place: str) -> ast.Module:
    try:
        return ast.parse(text)
    except SyntaxError as error:
        raise ConfigError(f"{place}: line {error.lineno} of its code does not parse: {error.msg}") from None


def _package_root() -> Path:
    return project_root() / PACKAGE


@functools.cache
def _source(module: str) -> Path | None:
    """The file of a module of the package; None for anything else."""
    first, *rest = module.split(".")
    if first != PACKAGE or not all(part.isidentifier() for part in rest):
        return None
    path = _package_root().joinpath(*rest)
    candidates = (path / "__init__.py", path.with_suffix(".py"))
    return next((candidate for candidate in candidates if candidate.is_file()), None)


def _files(modules: set[str]) -> tuple[Path, ...]:
    return tuple(sorted({path for module in modules for path in files_of(module)}))


@functools.cache
def files_of(module: str) -> tuple[Path, ...]:
    """The source of a module and the files beside it that it names as literals, e.g. a style sheet."""
    source, beside = _source(module), _names_in(_source(module).parent)
    named = sorted(_read_module(module).literals & beside)
    return tuple(path.relative_to(project_root()) for path in (source, *(source.parent / name for name in named)))


@functools.cache
def _names_in(folder: Path) -> frozenset[str]:
    return frozenset(entry.name for entry in os.scandir(folder) if entry.is_file())
