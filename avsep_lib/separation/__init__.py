"""One's own recording, separated by a trained run: ``avsep separate``, or three lines in a notebook.

>>> from avsep_lib.separation import separate  # doctest: +SKIP
>>> result = separate("mixture.wav", images=["a.jpg", "b.jpg"], run="demo/hier-s0")  # doctest: +SKIP
>>> result.show()  # doctest: +SKIP

`inputs` reads the recording, pictures and videos; `windows` lays the network's windows over it and joins their masks;
`models` opens a run with the encoders it needs; `apply` puts the masks on every channel; `result` holds, shows and
saves what came out. Importing this package loads neither torch nor a model.
"""

from avsep_lib.separation.separating import separate

__all__ = ["separate"]
