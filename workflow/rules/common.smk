# The plan of the profile, library modules as inputs, and one way to log a command.
import shlex
import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError
from snakemake.logging import logger

from avsep_lib.borrowed.drawn import is_received
from avsep_lib.encoders.files import located
from avsep_lib.errors import AvsepError
from avsep_lib.larger_names import SIZES, list_name
from avsep_lib.library import modules_of, modules_of_notebook
from avsep_lib.methods.settings import method_module
from avsep_lib.workflow import READS, artifact_files, load_plan, notebook_path

ENVIRONMENT = "requirements.lock"
LARGER_LISTS = [list_name(n) for n in SIZES]
FIRST = 10**6  # priority above every training job: of jobs for which others wait long

KEYS = ("profile", "python", "gpu")  # regenerate.py gives the last two when a cluster does the work
if unknown := sorted(set(config) - set(KEYS)):
    raise WorkflowError(f"unknown --config keys {unknown}; there are {', '.join(KEYS)}, as in profile=NAME")
try:
    PLAN = load_plan(str(config.get("profile", "demo")))
except AvsepError as error:
    raise WorkflowError(str(error)) from None
ARTIFACTS = [f"<results>/artifacts/{name}" for name in artifact_files()]
ANALYSED = PLAN.profile.main_dataset
RECEIVED = is_received(PLAN.profile.name)  # results of another machine: no models, see avsep_lib.borrowed
RENDERED = [name for name in PLAN.profile.datasets if name not in PLAN.recorded]


# The interpreter that runs Snakemake runs the jobs too, unless another was named (the one that submits to a cluster has
# no torch); logged.sh says how their output is kept and closes model hubs.
PYTHON = Path(config.get("python", sys.executable))
shell.prefix(f"source '{workflow.basedir}/logged.sh' '{PYTHON.parent}' {PLAN.profile.hub}; ")
GPU = int(config.get("gpu", 1))  # of the jobs that can use one
logger.addFilter(lambda record: not record.getMessage().startswith(("Select jobs", "Execute ")))


def modules(name):
    """Input function: the library files a command depends on."""
    return lambda wildcards: [str(path) for path in modules_of(name)]


def method_files(run):
    """The library files of a run's method; those of other methods may change."""
    return [str(path) for path in modules_of(method_module(PLAN.runs[run].method))]


def method_of_run(wildcards):
    """Input function: `method_files`."""
    return method_files(wildcards.run)


def every_run(pattern):
    """`pattern` for each run, with {run} and {key} filled in."""
    return [pattern.format(run=run, key=PLAN.data_key(run)) for run in PLAN.runs]


def every_key(pattern):
    """`pattern` for each data key: what runs train on."""
    return [pattern.format(key=key) for key in PLAN.trained_keys]


def every_audio_key(pattern):
    """`pattern` for each audio key: clips, floor and ceilings."""
    return [pattern.format(key=key) for key in PLAN.tested_keys]


def every_dataset(pattern):
    return [pattern.format(dataset=dataset) for dataset in PLAN.profile.datasets]


def data_of_run(name):
    """Input function: a file of the data that a run trains on."""
    return lambda wildcards: f"<results>/data/{PLAN.data_key(wildcards.run)}/{name}"


def clips_of_key(wildcards):
    """Input function: the decoded clips that a data key's mixtures are made of."""
    return f"<results>/data/{PLAN.tested_as[wildcards.key]}/clips/clips.json"


def teacher_of_run(run):
    """The audio encoder, for a run that separates with its help."""
    if not PLAN.needs_teacher(run):
        return []
    return [f"<results>/data/{PLAN.runs[run].dataset}/encoders/audio/model.safetensors"]


def teacher_options(run):
    if not PLAN.needs_teacher(run):
        return ""
    folder = f"results/{PLAN.profile.name}/data/{PLAN.runs[run].dataset}/encoders/audio"
    settings = shlex.quote(PLAN.encoder_json(PLAN.runs[run].dataset, "audio"))
    return f"--audio-encoder {folder} --audio-encoder-settings {settings}"


def one_of(names):
    """Wildcard constraint: one of `names`; none at all when there are none."""
    return "|".join(names) or "(?!)"


def pretrained_files(dataset, modality):
    """Files of weights that an encoder of a profile names: other contents make it run again."""
    place = getattr(PLAN.profile.encoders_for(dataset), modality).weights
    path = located(place) if place else None
    if path is None or not path.exists():
        return []  # workflow/regenerate.py has refused to start, or this is a dry run
    return [str(path)] if path.is_file() else sorted(str(found) for found in path.rglob("*.safetensors"))


def audit_of_key(key):
    """Where test pairs are decided over all that a dataset lists: what it lists."""
    dataset = key.split("@")[0]
    if dataset not in PLAN.recorded or not PLAN.profile.datasets[dataset].over_listed:
        return []
    return [f"<results>/data/{dataset}/dataset/audit.csv"]


def read_clips(run):
    """The decoded clips, for a run that reads them while it trains."""
    if not PLAN.reads_clips(run):
        return []
    return [f"<results>/data/{PLAN.audio_key(run)}/clips/clips.json"]


def grid_models(wildcards):
    """Models of the grid on a dataset, without switches."""
    return [f"<results>/runs/{run}/model.safetensors" for run in PLAN.grid_runs(wildcards.dataset)]
