"""Audio-visual sound separation: hierarchical fusion and representation alignment (HFRA) and its relatives.

The way of the data is the order of the modules: `embedded` or `manifest` (clips) -> `encoders` (frozen embeddings) ->
`mixtures` (who is mixed with whom) -> `models`, `train` (one row of ``config/runs.csv``) -> `methods`, `score`
(estimates and ``scores.csv``) -> `stats`, `tables`, `plots` (what the notebooks show).

Importing the package is cheap: it loads neither torch nor matplotlib.
"""

__version__ = "0.1.0"
