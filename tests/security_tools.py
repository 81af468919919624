"""What in the code could run somebody else's text, found by reading the code; and pickles that say so when they are opened."""

from __future__ import annotations

import ast
import io
import json
import pickle
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = ("avsep_lib", "workflow", "tools", "notebooks", "benchmarks")
MODULES = {"pickle", "cPickle", "_pickle", "dill", "cloudpickle", "joblib", "shelve", "marshal", "jsonpickle", "xmlrpc"}
XML = {"xml", "lxml", "defusedxml"}
CALLS = {
    "eval": "runs text", "exec": "runs text", "os.system": "runs a shell", "os.popen": "runs a shell",
    "tempfile.mktemp": "a name that somebody else may take", "yaml.load": "not yaml.safe_load",
    "yaml.unsafe_load": "not yaml.safe_load", "yaml.full_load": "not yaml.safe_load", "yaml.load_all": "not yaml.safe_load",
    "pd.read_pickle": "unpickles", "pandas.read_pickle": "unpickles", "np.fromregex": "unpickles", "pd.read_hdf": "unpickles",
    "torch.hub.load": "runs code of a repository", "torch.jit.load": "runs code",
}  # fmt: skip
# (file, what) -> why it is allowed
ALLOWED = {
    (
        "avsep_lib/encoders/unpickle.py",
        "import pickle",
    ): "`avsep weights convert`, in a process of its own; names an error",
    ("avsep_lib/encoders/unpickle.py", "torch.load"): "`avsep weights convert --trust-pickle --sha256`",
    ("avsep_lib/encoders/unpickle.py", "torch.jit.load"): "the same, for the form that OpenAI publishes",
}


def sources() -> Iterator[tuple[str, str]]:
    """Path and Python code of every file of the project that runs; of notebooks their code cells, of Snakefiles Python parts."""
    for folder in FOLDERS:
        for path in sorted((ROOT / folder).rglob("*")):
            name = path.relative_to(ROOT).as_posix()
            if path.suffix == ".py":
                yield name, path.read_text()
            elif path.suffix == ".ipynb" and ".ipynb_checkpoints" not in name:
                cells = json.loads(path.read_text())["cells"]
                yield name, "\n".join("".join(c["source"]) for c in cells if c["cell_type"] == "code")
    yield "workflow/rules", "\n".join(_python_of_rules())


def _python_of_rules() -> Iterator[str]:
    """Lines of Snakefiles that are Python as they stand: imports and assignments."""
    for path in [ROOT / "workflow" / "Snakefile", *sorted((ROOT / "workflow" / "rules").glob("*.smk"))]:
        yield from re.findall(r"^(?:import|from) .*$", path.read_text(), re.MULTILINE)


def findings(code: str) -> Iterator[str]:
    """What in a piece of Python could run or unpickle somebody else's bytes, as short names."""
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names]
            yield from (f"import {name}" for name in names if name.split(".")[0] in MODULES | XML)
        elif isinstance(node, ast.Call):
            yield from _of_call(node)


def _of_call(node: ast.Call) -> Iterator[str]:
    name = ast.unparse(node.func)
    given = {keyword.arg: keyword.value for keyword in node.keywords}
    if name in CALLS:
        yield name
    if name.endswith("torch.load") or name == "torch.load":
        only = given.get("weights_only")
        if not (isinstance(only, ast.Constant) and only.value is True):
            yield "torch.load"
    for word in ("allow_pickle", "shell"):
        if word in given and not (isinstance(given[word], ast.Constant) and given[word].value is False):
            yield f"{word}="
    if name.endswith((".read_pickle", ".to_pickle")) and name not in CALLS:
        yield name


class Trap:
    """Leaves a file behind when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple:
        return (_spring, (str(self.mark),))


def _spring(mark: str) -> None:
    Path(mark).write_text("a pickle was opened")


def trapped_files(mark: Path) -> dict[str, bytes]:
    """The trap in every form that a reader of pickles knows, by a word for it."""
    import numpy as np
    import torch

    plain = pickle.dumps(Trap(mark))
    array, arrays, checkpoint, legacy = (io.BytesIO() for _ in range(4))
    np.save(array, np.array([Trap(mark)], dtype=object), allow_pickle=True)
    np.savez(arrays, a=np.array([Trap(mark)], dtype=object))
    torch.save({"model": Trap(mark), "step": 1}, checkpoint)
    torch.save({"model": Trap(mark)}, legacy, _use_new_zipfile_serialization=False)
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("archive/data.pkl", plain)
        archive.writestr("archive/version", "3")
    header = json.dumps({"__metadata__": {"latents": plain.hex(), "config": plain.decode("latin-1")}}).encode()
    return {
        "pickle": plain, "npy": array.getvalue(), "npz": arrays.getvalue(), "torch": checkpoint.getvalue(),
        "legacy torch": legacy.getvalue(), "zip": packed.getvalue(),
        "safetensors": len(header).to_bytes(8, "little") + header + plain,
    }  # fmt: skip
