# One training job and one scoring job per row of config/runs.csv.


rule train:
    input:
        features=data_of_run("features/train.safetensors"),
        validation=data_of_run("features/val.safetensors"),
        clips=lambda w: streamed_clips(w.run),
        library=modules("avsep_lib.train"),
        environment=ENVIRONMENT,
    output:
        # state.ckpt, from which an interrupted job resumes, is no output: Snakemake would delete it with the rest.
        model="<results>/runs/{run}/model.safetensors",
        history="<results>/runs/{run}/history.csv",
        cost="<results>/runs/{run}/cost.json",
    params:
        config=lambda w: PLAN.run_json(w.run),
        features=lambda w, input: Path(input.features).parent,
        folder=lambda w, output: Path(output.model).parent,
        clips=lambda w, input: f"--clips {Path(input.clips[0]).parent}" if input.clips else "",
    priority: lambda w: PLAN.cost(w.run)
    log:
        "<logs>/train/{run}.log",
    threads: 1
    resources:
        gpu=GPU,
        mem_mb=memory("train"),
        runtime=minutes_of_training,
    shell:
        "logged {log} python -m avsep_lib.train --config {params.config:q} --features {params.features}"
        " {params.clips} --out {params.folder}"


rule score:
    input:
        model="<results>/runs/{run}/model.safetensors",
        clips=lambda w: f"<results>/data/{PLAN.audio_key(w.run)}/clips/clips.json",
        mixtures=data_of_run("mixtures/mixtures.json"),
        images=lambda w: f"<results>/data/{PLAN.runs[w.run].dataset}/embeddings/images.safetensors",
        teacher=lambda w: teacher_of_run(w.run),
        library=modules("avsep_lib.score"),
        environment=ENVIRONMENT,
    output:
        "<results>/scores/{run}.csv",
    params:
        clips=lambda w, input: Path(input.clips).parent,
        mixtures=lambda w, input: Path(input.mixtures).parent,
        row=lambda w: PLAN.runs[w.run].row,
        teacher=lambda w: teacher_options(w.run),
    log:
        "<logs>/score/{run}.log",
    threads: 1
    resources:
        gpu=GPU,
        mem_mb=memory("score"),
        runtime=minutes("score"),
    shell:
        "logged {log} python -m avsep_lib.score --model {input.model} --clips {params.clips}"
        " --mixtures {params.mixtures} --images {input.images} --row {params.row} {params.teacher} --out {output}"


rule references:
    # The floor (the mixture itself) and the ceilings (ideal masks) on the same test pairs.
    input:
        clips="<results>/data/{key}/clips/clips.json",
        mixtures="<results>/data/{key}/mixtures/mixtures.json",
        library=modules("avsep_lib.score"),
        environment=ENVIRONMENT,
    output:
        "<results>/scores/references-{key}.csv",
    params:
        audio=lambda w: PLAN.audio_json(w.key),
        clips=lambda w, input: Path(input.clips).parent,
        mixtures=lambda w, input: Path(input.mixtures).parent,
    log:
        "<logs>/references/{key}.log",
    threads: 1
    resources:
        mem_mb=memory("references"),
        runtime=minutes("references"),
    shell:
        "logged {log} python -m avsep_lib.score --references {params.audio:q} --clips {params.clips}"
        " --mixtures {params.mixtures} --out {output}"
