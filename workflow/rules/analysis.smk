# What notebooks 05, 07, 08 and 11 share: descriptors of the solos, latent features of the trained runs, probes on them.


rule descriptors:
    input:
        manifest="<results>/data/{dataset}/dataset/manifest.csv",
        library=modules("avsep_lib.descriptors"),
        environment=ENVIRONMENT,
    output:
        "<results>/analysis/descriptors-{dataset}.csv",
    log:
        "<logs>/analysis/descriptors-{dataset}.log",
    threads: 1
    resources:
        mem_mb=memory("descriptors"),
        runtime=minutes("descriptors"),
    shell:
        "logged {log} python -m avsep_lib.descriptors --manifest {input.manifest} --out {output}"


rule latents:
    input:
        models=grid_models,
        clips="<results>/data/{dataset}/clips/clips.json",
        manifest="<results>/data/{dataset}/dataset/provenance.csv",
        mixtures="<results>/data/{dataset}/mixtures/mixtures.json",
        encoder="<results>/data/{dataset}/encoders/audio/model.safetensors",
        library=modules("avsep_lib.latents"),
        environment=ENVIRONMENT,
    output:
        "<results>/analysis/latents-{dataset}.safetensors",
    params:
        profile=PLAN.profile.name,
        runs=lambda w: PLAN.grid_runs(w.dataset),
        encoder=lambda w: PLAN.encoder_json(w.dataset, "audio"),
    priority: FIRST  # long, and two notebooks wait for it
    log:
        "<logs>/analysis/latents-{dataset}.log",
    threads: 1
    resources:
        mem_mb=memory("latents"),
        runtime=minutes("latents"),
    shell:
        "logged {log} python -m avsep_lib.latents --profile {params.profile} --dataset {wildcards.dataset} --out {output}"


rule probe:
    input:
        latents="<results>/analysis/latents-{dataset}.safetensors",
        library=modules("avsep_lib.probe"),
        environment=ENVIRONMENT,
    output:
        "<results>/analysis/probe-{dataset}.csv",
    params:
        profile=PLAN.profile.name,
    priority: FIRST  # long, and two notebooks wait for it
    log:
        "<logs>/analysis/probe-{dataset}.log",
    threads: 1
    resources:
        mem_mb=memory("probe"),
        runtime=minutes("probe"),
    shell:
        "logged {log} python -m avsep_lib.probe --profile {params.profile} --dataset {wildcards.dataset} --out {output}"


rule method_costs:
    # Seconds are measured: another run of this rule gives others.
    input:
        models=lambda w: [f"<results>/runs/{run}/model.safetensors" for run in PLAN.costed()],
        clips=f"<results>/data/{ANALYSED}/clips/clips.json",
        mixtures=f"<results>/data/{ANALYSED}/mixtures/mixtures.json",
        images=f"<results>/data/{ANALYSED}/embeddings/images.safetensors",
        library=modules("avsep_lib.method_costs"),
        methods=lambda w: sorted({path for run in PLAN.costed() for path in method_files(run)}),
        environment=ENVIRONMENT,
    output:
        "<results>/analysis/method_costs.csv",
    params:
        profile=PLAN.profile.name,
        runs=PLAN.costed(),
    log:
        "<logs>/analysis/method_costs.log",
    threads: 1
    resources:
        mem_mb=memory("method_costs"),
        runtime=minutes("method_costs"),
    shell:
        "logged {log} python -m avsep_lib.method_costs --profile {params.profile} --out {output}"


rule naming:
    # What it is worth that true sources name outputs.
    input:
        models=lambda w: [f"<results>/runs/{run}/model.safetensors" for run in PLAN.costed()],
        clips=f"<results>/data/{ANALYSED}/clips/clips.json",
        mixtures=f"<results>/data/{ANALYSED}/mixtures/mixtures.json",
        images=f"<results>/data/{ANALYSED}/embeddings/images.safetensors",
        library=modules("avsep_lib.naming"),
        methods=lambda w: sorted({path for run in PLAN.costed() for path in method_files(run)}),
        environment=ENVIRONMENT,
    output:
        "<results>/analysis/naming.csv",
    params:
        profile=PLAN.profile.name,
        runs=PLAN.costed(),
    log:
        "<logs>/analysis/naming.log",
    threads: 1
    resources:
        mem_mb=memory("naming"),
        runtime=minutes("naming"),
    shell:
        "logged {log} python -m avsep_lib.naming --profile {params.profile} --out {output}"


rule sgn_features:
    input:
        model="<results>/runs/{run}/model.safetensors",
        clips=lambda w: f"<results>/data/{PLAN.audio_key(w.run)}/clips/clips.json",
        library=modules("avsep_lib.sgn_features"),
        environment=ENVIRONMENT,
    output:
        "<results>/analysis/features-{run}.safetensors",
    params:
        clips=lambda w, input: Path(input.clips).parent,
    log:
        "<logs>/analysis/features-{run}.log",
    threads: 1
    resources:
        mem_mb=memory("sgn_features"),
        runtime=minutes("sgn_features"),
    shell:
        "logged {log} python -m avsep_lib.sgn_features --model {input.model} --clips {params.clips} --out {output}"
