"""Try a trained separator by hand: choose two clips and a network, turn knobs, see and hear what changes.

`session` separates and keeps what it has computed; `choice` says what can be chosen; `sources` and `uploads` bring the
clips; `judging` scores one pair and places it among all test pairs; `figure1` opens the mixtures behind Figure 1.
`panels` and `page` write what is seen as plain HTML, `static` as a figure; `widgets` and `app` are the only modules
that know of ipywidgets. Nothing here writes a file.

>>> from avsep_lib.explorer.app import explorer  # doctest: +SKIP
>>> explorer("demo", "music11")  # doctest: +SKIP
"""
