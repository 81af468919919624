"""Recorded datasets: MUSIC, MUSIC-21, VGGSound or one's own videos, as found on disk.

`settings` is what a dataset's YAML may say. `items` reads lists and folders into one table, `media` decodes videos,
`inspection` measures what is really in the files, `judge` applies the policy, `build` writes the manifest and
``audit.csv``, in which every item of the lists has a line.
"""
