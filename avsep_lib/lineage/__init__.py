"""Where published figures and tables come from, and the proof of it.

``python -m avsep_lib.lineage --profile demo`` (``make verify-provenance``) checks figures, tables and sidecars against one
another and against the record of the run, recomputes what they were made from, and rebuilds some from their sidecars.
``python -m avsep_lib.lineage.sbom`` (``make sbom``) lists what is installed. Both records are written when a profile is
published (`avsep_lib.lineage.record`).
"""
