"""A profile's GPU work on a machine that is lent for half an hour, has no network and none of the workflow's tools.

Here, `bundle` resolves a profile (with what ``config/borrowed/<profile>.yaml`` changes) to plain JSON and puts it into a
folder with the code of the commit, the lists of mixtures and the wheels that such a machine lacks. There, one command
(`run`, started by `start`) renders the dataset, teaches the small encoders, measures what the machine can do, trains
every run for equally many steps, scores, and leaves a few files. Here again, `receive` checks these files and lays
them where the workflow expects its own results, so that the notebooks that need nothing else draw from them.
"""
