"""Linear probing (the paper's Table 4): what can be read from a representation with a linear classifier?

`protocol` decides which clips train the probe and how those it is tested on are recorded, `fit` trains it,
``python -m avsep_lib.probe`` writes every prediction to one CSV, `accuracy` makes statistics of it and `text` tables
for readers.
"""
