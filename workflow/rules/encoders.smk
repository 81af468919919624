# The two frozen encoders, what they say about every clip, and a check that they are sane.


rule encoder:
    input:
        clips="<results>/data/{dataset}/clips/clips.json",
        weights=lambda w: pretrained_files(w.dataset, w.modality),
        library=modules("avsep_lib.encoders.train"),
        environment=ENVIRONMENT,
    output:
        model="<results>/data/{dataset}/encoders/{modality}/model.safetensors",
        config="<results>/data/{dataset}/encoders/{modality}/config.json",
        history="<results>/data/{dataset}/encoders/{modality}/history.csv",
    params:
        settings=lambda w: PLAN.encoder_json(w.dataset, w.modality),
        clips=lambda w, input: Path(input.clips).parent,
        folder=lambda w, output: Path(output.model).parent,
    priority: FIRST
    log:
        "<logs>/encoder/{dataset}-{modality}.log",
    threads: 1
    resources:
        gpu=GPU,
        mem_mb=memory("encoder"),
        runtime=minutes("encoder"),
    shell:
        "logged {log} python -m avsep_lib.encoders.train {wildcards.modality} --settings {params.settings:q}"
        " --clips {params.clips} --out {params.folder}"


rule embed:
    input:
        clips="<results>/data/{dataset}/clips/clips.json",
        encoder=lambda w: f"<results>/data/{w.dataset}/encoders/{w.what.removesuffix('s')}/model.safetensors",
        library=modules("avsep_lib.encoders.embed"),
        environment=ENVIRONMENT,
    output:
        "<results>/data/{dataset}/embeddings/{what}.safetensors",
    wildcard_constraints:
        what="images|audio",
    params:
        settings=lambda w: PLAN.encoder_json(w.dataset, w.what.removesuffix("s")),
        clips=lambda w, input: Path(input.clips).parent,
        encoder=lambda w, input: Path(input.encoder).parent,
    log:
        "<logs>/embed/{dataset}-{what}.log",
    threads: 1
    resources:
        gpu=GPU,
        mem_mb=memory("embed"),
        runtime=minutes("embed"),
    shell:
        "logged {log} python -m avsep_lib.encoders.embed {wildcards.what} --settings {params.settings:q}"
        " --encoder {params.encoder} --clips {params.clips} --out {output}"


rule sanity:
    input:
        clips="<results>/data/{dataset}/clips/clips.json",
        image_encoder="<results>/data/{dataset}/encoders/image/model.safetensors",
        audio_encoder="<results>/data/{dataset}/encoders/audio/model.safetensors",
        images="<results>/data/{dataset}/embeddings/images.safetensors",
        audio="<results>/data/{dataset}/embeddings/audio.safetensors",
        library=modules("avsep_lib.encoders.sanity"),
        environment=ENVIRONMENT,
    output:
        "<results>/data/{dataset}/embeddings/sanity.csv",
    params:
        image_settings=lambda w: PLAN.encoder_json(w.dataset, "image"),
        audio_settings=lambda w: PLAN.encoder_json(w.dataset, "audio"),
        clips=lambda w, input: Path(input.clips).parent,
        image_encoder=lambda w, input: Path(input.image_encoder).parent,
        audio_encoder=lambda w, input: Path(input.audio_encoder).parent,
    log:
        "<logs>/sanity/{dataset}.log",
    threads: 1
    resources:
        mem_mb=memory("sanity"),
        runtime=minutes("sanity"),
    shell:
        "logged {log} python -m avsep_lib.encoders.sanity --image-settings {params.image_settings:q}"
        " --audio-settings {params.audio_settings:q} --image-encoder {params.image_encoder}"
        " --audio-encoder {params.audio_encoder} --clips {params.clips} --images {input.images}"
        " --audio {input.audio} --out {output}"
