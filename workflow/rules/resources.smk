# What a job asks of a cluster, beside its `threads` and `gpu`; on one machine nobody looks at these two numbers.
# Every further attempt asks for twice as much, three times, ... (workflow/profiles/slurm: retries).

# Measured with the demo profile, 2 cores, no GPU: largest memory (MB) of a command with its children, longest seconds.
MEASURED = {
    "dataset": (305, 40),
    "clips": (140, 5),
    "encoder": (1530, 70),
    "embed": (1090, 20),
    "sanity": (1070, 10),
    "mixtures": (300, 5),
    "larger_mixtures": (300, 5),
    "features": (1300, 15),
    "train": (1370, 125),
    "score": (1120, 10),
    "score_larger": (1480, 120),
    "references": (660, 10),
    "descriptors": (345, 45),
    "method_costs": (1480, 60),
    "naming": (1480, 40),
    "sgn_features": (1120, 10),
    "latents": (1480, 40),
    "probe": (630, 65),
    "notebook": (1230, 40),
    "canaries": (2410, 30),
    "selftest": (2410, 60),  # a guess: the same libraries, other work
    "report": (700, 40),
    "publish": (200, 5),
    "recordings": (1000, 1400),  # a guess for a thousand videos; what was decoded is kept when the time is up
}
SNAKEMAKES = 450  # MB: two of them, one in the other, carry the command of a job
# Masks of 256 x 256 instead of the demo's 64 x 64; the profile `paper` was not measured.
LARGER = max(1, PLAN.profile.audio.n_rows // 64)


def memory(rule):
    """Resource function: megabytes, half as much again as was measured."""
    megabytes = SNAKEMAKES + 1.5 * MEASURED[rule][0] * LARGER
    return lambda wildcards, attempt: attempt * 100 * -(-int(megabytes) // 100)


def minutes(rule):
    """Resource function: minutes, ten times what was measured and at least ten."""
    needed = max(10, MEASURED[rule][1] * LARGER**2 // 6)
    return lambda wildcards, attempt: attempt * needed


def minutes_of_training(wildcards, attempt):
    """Minutes for a run: ten times the demo's pace; a day beyond its size, after which it goes on where it stopped."""
    if LARGER > 1:
        return 24 * 60
    seconds = 18 * PLAN.cost(wildcards.run) / 100 * PLAN.profile.training.steps / 480
    return attempt * max(10, int(seconds) // 6)
