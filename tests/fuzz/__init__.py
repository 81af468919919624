"""Bad inputs: one way to make them, one way to judge what the library does with them, for the short and the long test.

`mutate` spoils bytes, tables, trees and files; `texts` and `media` are the kinds of input, each with the library's own
readers; `watch` runs cases in a process that may hang, die or run out of memory.
"""
