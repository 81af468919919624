# One training job and one scoring job per row of config/runs.csv.


rule train:
    input:
        features=data_of_run("features/train.safetensors"),
        validation=data_of_run("features/val.safetensors"),
        clips=lambda w: read_clips(w.run),
        library=modules("avsep_lib.train"),
        method=method_of_run,
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
        method=method_of_run,
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


rule larger_mixtures:
    # Test mixtures of three and four sources.
    input:
        clips=clips_of_key,
        audit=lambda w: audit_of_key(w.key),
        library=modules("avsep_lib.larger_mixtures"),
        environment=ENVIRONMENT,
    output:
        lists=expand("<results>/data/{{key}}/larger/{name}.csv", name=LARGER_LISTS),
        index="<results>/data/{key}/larger/mixtures.json",
    params:
        settings=lambda w: PLAN.mixtures_json(w.key),
        audio=lambda w: PLAN.audio_json(w.key),
        clips=lambda w, input: Path(input.clips).parent,
        folder=lambda w, output: Path(output.index).parent,
        audit=lambda w, input: f"--audit {input.audit}" if input.audit else "",
    log:
        "<logs>/larger_mixtures/{key}.log",
    resources:
        mem_mb=memory("larger_mixtures"),
        runtime=minutes("larger_mixtures"),
    shell:
        "logged {log} python -m avsep_lib.larger_mixtures --settings {params.settings:q} --audio {params.audio:q}"
        " --clips {params.clips} {params.audit} --out {params.folder}"


rule score_larger:
    # Models that were trained on pairs, on mixtures of more; all of them at once, beside floor and ceilings.
    input:
        models=lambda w: [f"<results>/runs/{run}/model.safetensors" for run in PLAN.carried_over()],
        clips=f"<results>/data/{ANALYSED}/clips/clips.json",
        mixtures=f"<results>/data/{ANALYSED}/larger/mixtures.json",
        images=f"<results>/data/{ANALYSED}/embeddings/images.safetensors",
        library=modules("avsep_lib.score_larger"),
        methods=lambda w: sorted({path for run in PLAN.carried_over() for path in method_files(run)}),
        environment=ENVIRONMENT,
    output:
        "<results>/analysis/scores_larger.csv",
    params:
        profile=PLAN.profile.name,
        runs=PLAN.carried_over(),
    log:
        "<logs>/analysis/scores_larger.log",
    threads: 1
    resources:
        mem_mb=memory("score_larger"),
        runtime=minutes("score_larger"),
    shell:
        "logged {log} python -m avsep_lib.score_larger --profile {params.profile} --out {output}"
