"""The paper's claims: written down in ``paper/claims.yaml``, tested one by one, judged in one table.

`schema` reads the file, `evidence` finds the scores of a profile, `evaluators` turn each kind of test into an
`avsep_lib.outcomes.Outcome`, `verdicts` judges all of them together, and `text` makes the table a reader sees.
"""

from avsep_lib.claims.schema import Claim, claims_path, load_claims

__all__ = ["Claim", "claims_path", "load_claims"]
