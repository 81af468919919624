# One rule per notebook. Which artefacts it writes is read from its save_figure and save_table calls.
GROUPS = {
    "dataset": [
        path
        for name in ("manifest.csv", "provenance.csv")
        for path in every_dataset(f"<results>/data/{{dataset}}/dataset/{name}")
    ],
    "clips": every_audio_key("<results>/data/{key}/clips/clips.json"),
    "encoders": [
        f"<results>/data/{dataset}/encoders/{modality}/{name}"
        for dataset in PLAN.profile.datasets
        for modality in ("image", "audio")
        for name in ("model.safetensors", "history.csv")
    ],
    "embeddings": [
        f"<results>/data/{dataset}/embeddings/{name}"
        for dataset in PLAN.profile.datasets
        for name in ("images.safetensors", "audio.safetensors", "sanity.csv")
    ],
    "mixtures": every_key("<results>/data/{key}/mixtures/mixtures.json"),
    "features": every_key("<results>/data/{key}/features/val.safetensors"),
    "runs": [
        path
        for name in ("history.csv", "cost.json", *(() if RECEIVED else ("model.safetensors",)))
        for path in every_run(f"<results>/runs/{{run}}/{name}")
    ],
    "scores": every_run("<results>/scores/{run}.csv"),
    "references": every_audio_key("<results>/scores/references-{key}.csv"),
    "larger": [] if RECEIVED else ["<results>/analysis/scores_larger.csv"],
    "method_costs": [] if RECEIVED else ["<results>/analysis/method_costs.csv"],
    "naming": [] if RECEIVED else ["<results>/analysis/naming.csv"],
    "sgn_features": [] if RECEIVED else [f"<results>/analysis/features-{run}.safetensors" for run in PLAN.sgn_runs()],
    "descriptors": [f"<results>/analysis/descriptors-{ANALYSED}.csv"],
    "latents": [f"<results>/analysis/latents-{ANALYSED}.safetensors"],
    "probe": [f"<results>/analysis/probe-{ANALYSED}.csv"],
    "canaries": [] if RECEIVED else ["<results>/canaries_tried.json"],  # without models and clips none can be tried
}
# Tracked files that a notebook reads by name, whatever the profile; not made by any rule.
SOURCES = {
    "published": ["paper/published.csv", "paper/claims.yaml"],
    "paper_profile": ["config/paper.yaml"],
    "audit": ["paper/audit.yaml", "paper/deviations.md"],
    "published_sgn": ["paper/published_sgn.csv"],
}

for stem in READS:

    rule:
        name:
            f"notebook_{stem}"
        input:
            notebook=str(notebook_path(stem)),
            data=[path for group in READS[stem] for path in (GROUPS | SOURCES)[group]],
            library=lambda w, path=notebook_path(stem): [str(source) for source in modules_of_notebook(path)],
            environment=ENVIRONMENT,
        output:
            executed=f"<results>/notebooks/{stem}.ipynb",
            artifacts=[f"<results>/artifacts/{name}" for name in artifact_files((stem,))],
        params:
            parameters=PLAN.notebook_json(stem),
            minutes=PLAN.profile.notebook_minutes,
            settings=PLAN.seen_by_notebook_json(stem),
        log:
            text=f"<logs>/notebooks/{stem}.log",
            notebook=f"<logs>/notebooks/{stem}.ipynb",
        threads: 1
        resources:
            mem_mb=memory("notebook"),
            runtime=minutes("notebook"),
        shell:
            "logged {log.text} python -m avsep_lib.runner {input.notebook} --parameters {params.parameters:q}"
            " --log {log.notebook} --output {output.executed} --minutes {params.minutes}"
