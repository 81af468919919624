"""From score files to tables and verdicts.

The order of work: `score_files` and `load_scores`; `comparable` (one mask type, common set); then `summary`,
`seed_means`, `differences`, `claim_verdicts`. Rows are named as in ``config/runs.csv`` without the seed. `text` turns
frames into what a reader sees. Published numbers stand beside ours and are never subtracted from them: the dataset is
not the paper's.
"""

from avsep_lib.tables.comparable import Comparable, check_references, comparable, seed_means, steadiness, summary
from avsep_lib.tables.differences import (
    claim_verdicts,
    differences,
    meaning,
    trained_at_all,
    with_claims,
)
from avsep_lib.tables.inputs import (
    cost_files,
    encoder_files,
    encoder_knowledge,
    load_scores,
    rows_here,
    score_files,
    separation_tables,
    steps_of_rows,
    training_cost,
)
from avsep_lib.tables.names import (
    CEILING,
    FLOOR,
    GRID,
    MASKS,
    METRICS,
    PAIRS,
    PAPER_ROWS,
    PLACES,
    SEPARATION,
    TABLE_1,
    TABLE_6,
    in_table_order,
)
from avsep_lib.tables.switches import lambda_sweep, switch_effects, switch_files

__all__ = [
    "CEILING",
    "FLOOR",
    "GRID",
    "MASKS",
    "METRICS",
    "PAIRS",
    "PAPER_ROWS",
    "PLACES",
    "SEPARATION",
    "TABLE_1",
    "TABLE_6",
    "Comparable",
    "check_references",
    "claim_verdicts",
    "comparable",
    "cost_files",
    "differences",
    "encoder_files",
    "encoder_knowledge",
    "in_table_order",
    "lambda_sweep",
    "load_scores",
    "meaning",
    "rows_here",
    "score_files",
    "seed_means",
    "separation_tables",
    "steadiness",
    "steps_of_rows",
    "summary",
    "switch_effects",
    "switch_files",
    "trained_at_all",
    "training_cost",
    "with_claims",
]
