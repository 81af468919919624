# Who is mixed with whom, and everything about the training mixtures that no run changes.


rule mixtures:
    input:
        clips=clips_of_key,
        audit=lambda w: audit_of_key(w.key),
        library=modules("avsep_lib.mixtures"),
        environment=ENVIRONMENT,
    output:
        lists=expand("<results>/data/{{key}}/mixtures/{name}.csv", name=["pool", "val", "test"]),
        index="<results>/data/{key}/mixtures/mixtures.json",
    params:
        settings=lambda w: PLAN.mixtures_json(w.key),
        audio=lambda w: PLAN.audio_json(w.key),
        clips=lambda w, input: Path(input.clips).parent,
        folder=lambda w, output: Path(output.index).parent,
        audit=lambda w, input: f"--audit {input.audit}" if input.audit else "",
    log:
        "<logs>/mixtures/{key}.log",
    resources:
        mem_mb=memory("mixtures"),
        runtime=minutes("mixtures"),
    shell:
        "logged {log} python -m avsep_lib.mixtures --settings {params.settings:q} --audio {params.audio:q}"
        " --clips {params.clips} {params.audit} --out {params.folder}"


rule features:
    input:
        clips=clips_of_key,
        mixtures="<results>/data/{key}/mixtures/mixtures.json",
        images=lambda w: f"<results>/data/{w.key.split('@')[0]}/embeddings/images.safetensors",
        encoder=lambda w: f"<results>/data/{w.key.split('@')[0]}/encoders/audio/model.safetensors",
        library=modules("avsep_lib.features"),
        environment=ENVIRONMENT,
    output:
        train="<results>/data/{key}/features/train.safetensors",
        val="<results>/data/{key}/features/val.safetensors",
    params:
        audio=lambda w: PLAN.audio_json(w.key),
        encoder_settings=lambda w: PLAN.encoder_json(w.key, "audio"),
        frame_size=PLAN.profile.model.frame_size,
        pool=PLAN.profile.mixtures.features,
        clips=lambda w, input: Path(input.clips).parent,
        mixtures=lambda w, input: Path(input.mixtures).parent,
        encoder=lambda w, input: Path(input.encoder).parent,
        folder=lambda w, output: Path(output.train).parent,
    log:
        "<logs>/features/{key}.log",
    threads: 1 if PLAN.encoders_are_small else workflow.cores or 1
    resources:
        gpu=GPU,
        mem_mb=memory("features"),
        runtime=minutes("features"),
    shell:
        "logged {log} python -m avsep_lib.features --audio {params.audio:q} --clips {params.clips}"
        " --mixtures {params.mixtures} --images {input.images} --audio-encoder {params.encoder}"
        " --audio-encoder-settings {params.encoder_settings:q} --frame-size {params.frame_size}"
        " --pool {params.pool} --out {params.folder}"
