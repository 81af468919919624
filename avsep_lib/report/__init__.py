"""The report of a profile: one offline site, ``python -m avsep_lib.report --profile demo``.

Claims and verdicts come first, then every figure and table with the cell, the runs and the files behind it; executed
notebooks, sounds, runs and data are pages of their own. Nothing is fetched from anywhere: a content security policy
forbids it, and everything lies beside the pages. `build` puts the site together, one module per kind of content;
`site` renders and copies, `theme` holds the colours, `weights` the budgets.
"""
