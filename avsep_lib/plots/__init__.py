"""Figures: one module per family. Drawing functions take an `ax` (or a figure) and return it; `style` is the look."""
