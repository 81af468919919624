# Clips: rendered, or read from recordings, once per dataset; decoded once per sample rate.


rule dataset:
    input:
        library=modules("avsep_lib.embedded"),
        environment=ENVIRONMENT,
    output:
        manifest="<results>/data/{dataset}/dataset/manifest.csv",
        provenance="<results>/data/{dataset}/dataset/provenance.csv",
        audio=directory("<results>/data/{dataset}/dataset/audio"),
        frames=directory("<results>/data/{dataset}/dataset/frames"),
    wildcard_constraints:
        dataset=one_of(RENDERED),
    params:
        settings=lambda w: PLAN.dataset_json(w.dataset),
        folder=lambda w, output: Path(output.manifest).parent,
    priority: FIRST  # takes all cores, and would otherwise wait until no smaller job is left
    log:
        "<logs>/dataset/{dataset}.log",
    threads: workflow.cores or 1
    resources:
        mem_mb=memory("dataset"),
        runtime=minutes("dataset"),
    shell:
        "logged {log} python -m avsep_lib.embedded --settings {params.settings:q}"
        " --out {params.folder} --workers {threads}"


rule recordings:
    input:
        # What lies on disk, by name, size and time; workflow/regenerate.py writes it before every run.
        listing="<results>/data/{dataset}/listing.json",
        library=modules("avsep_lib.recorded"),
        environment=ENVIRONMENT,
    output:
        manifest="<results>/data/{dataset}/dataset/manifest.csv",
        provenance="<results>/data/{dataset}/dataset/provenance.csv",
        summary="<results>/data/{dataset}/dataset/audit.json",
        audit="<results>/data/{dataset}/dataset/audit.csv",
    wildcard_constraints:
        dataset=one_of(PLAN.recorded),
    params:
        settings=lambda w: PLAN.dataset_json(w.dataset),
        min_seconds=lambda w: PLAN.min_seconds(w.dataset),
        # Decoded videos and measurements; no output, because Snakemake deletes outputs before a job.
        media=lambda w: f"results/media/{w.dataset}",
        folder=lambda w, output: Path(output.manifest).parent,
    log:
        "<logs>/dataset/{dataset}.log",
    threads: workflow.cores or 1
    resources:
        mem_mb=memory("recordings"),
        runtime=minutes("recordings"),
    shell:
        "logged {log} python -m avsep_lib.recorded --settings {params.settings:q} --name {wildcards.dataset}"
        " --min-seconds {params.min_seconds} --media {params.media} --out {params.folder} --workers {threads}"


rule clips:
    input:
        manifest=lambda w: f"<results>/data/{w.key.split('@')[0]}/dataset/manifest.csv",
        library=modules("avsep_lib.clips"),
        environment=ENVIRONMENT,
    output:
        index="<results>/data/{key}/clips/clips.json",
        table="<results>/data/{key}/clips/clips.csv",
        waveforms="<results>/data/{key}/clips/waveforms.npy",
    params:
        sample_rate=lambda w: PLAN.audio[w.key].sample_rate,
        folder=lambda w, output: Path(output.index).parent,
    log:
        "<logs>/clips/{key}.log",
    threads: lambda w: (workflow.cores or 1) if w.key.split("@")[0] in PLAN.recorded else 1
    resources:
        mem_mb=memory("clips"),
        runtime=minutes("clips"),
    shell:
        "logged {log} python -m avsep_lib.clips --manifest {input.manifest}"
        " --sample-rate {params.sample_rate} --out {params.folder} --workers {threads}"
