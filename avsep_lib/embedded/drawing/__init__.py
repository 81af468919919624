"""Pictures of performers: vector drawing with matplotlib's Agg canvas, one module per family of things drawn."""
