"""What a command or a notebook depends on, read from source text: library files, and the artefacts a notebook saves.

Snakemake does not see an edit of an imported module, so the workflow declares modules as inputs; editing ``plots.py``
then reruns the notebooks that use it and trains nothing. Nothing is imported here, only parsed.
"""

from __future__ import annotations

import ast
import functools
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from avsep_lib.errors import ConfigError
from avsep_lib.paths import project_root

PACKAGE = "avsep_lib"
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
    if _source(module) is None:
        raise ConfigError(f"no module {module} in {_package_root()}")
    start = {module} | ({f"{module}.__main__"} if _source(f"{module}.__main__") else set())
    return _files(_closure(start))


def modules_of_notebook(notebook: str | Path) -> list[Path]:
    """Library files that a notebook's code cells depend on; see `modules_of`."""
    return _files(_closure(_imports(notebook_code(notebook), "", str(notebook))))


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


def _closure(names: set[str]) -> set[str]:
    """All modules reachable from `names`, the packages they lie in included."""
    reached: set[str] = set()
    waiting = set(names)
    while waiting:
        name = waiting.pop()
        reached.add(name)
        waiting |= (_dependencies(name) | {name.rpartition(".")[0]}) - reached - {""}
    return reached


@functools.cache
def _dependencies(module: str) -> frozenset[str]:
    source = _source(module)
    package = module if source.name == "__init__.py" else module.rpartition(".")[0]
    return frozenset(_imports(source.read_text(), package, str(source)))


def _imports(text: str, package: str, place: str) -> set[str]:
    """Modules of the package that a source text names; `package` resolves relative imports."""
    names: set[str] = set()
    for node in ast.walk(_parse(text, place)):
        names.update(_named(node, package))
    return {name for name in names if _source(name) is not None}


def _named(node: ast.AST, package: str) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        base = _absolute(node, package)
        yield base
        yield from (f"{base}.{alias.name}" for alias in node.names)
    elif isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.startswith(f"{PACKAGE}."):
        yield node.value


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


def _files(modules: set[str]) -> list[Path]:
    files = {path for module in modules for path in (_source(module), *_named_files(module))}
    return sorted(path.relative_to(project_root()) for path in files)


@functools.cache
def _named_files(module: str) -> tuple[Path, ...]:
    """Files beside a module whose names occur in it as literals, e.g. a style sheet."""
    source = _source(module)
    literals = (n.value for n in ast.walk(ast.parse(source.read_text())) if isinstance(n, ast.Constant))
    names = {text for text in literals if isinstance(text, str) and 0 < len(text) < 60 and "\n" not in text}
    return tuple(source.parent / name for name in sorted(names) if "/" not in name and (source.parent / name).is_file())
