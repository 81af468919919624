"""What notebook 13 shows: every method on the same mixtures, what it was told, what it costs, how far it carries.

`facts` says what each row is; `tables` makes frames and texts; figures are in `avsep_lib.plots.baselines`.
"""
