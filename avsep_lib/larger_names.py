"""Names of the lists of larger test mixtures; the workflow plans with them, so nothing heavy is imported here."""

SIZES = (3, 4)  # sources of a mixture


def list_name(n_sources: int) -> str:
    """Name of the list of mixtures of `n_sources`."""
    return f"test{n_sources}"
