"""Why something would be made again, what a run has changed, and whether the committed figures can be made again.

``python -m avsep_lib.changes.why`` (``make why``), ``python -m avsep_lib.changes`` (the end of ``make figures``) and
``python -m avsep_lib.changes.verify`` (``make verify``).
"""
