# The two frozen encoders, what they say about every clip, and a check that they are sane.


rule encoder:
    input:
        clips="<results>/data/{dataset}/clips/clips.json",
        library=modules("avsep_lib.encoders.train"),
        environment=ENVIRONMENT,
    output:
        model="<results>/data/{dataset}/encoders/{modality}/model.safetensors",
        config="<results>/data/{dataset}/encoders/{modality}/config.json",
        history="<results>/data/{dataset}/encoders/{modality}/history.csv",
    params:
        settings=lambda w: PLAN.encoder_json(w.modality),
        clips=lambda w, input: Path(input.clips).parent,
        folder=lambda w, output: Path(output.model).parent,
    log:
        "<logs>/encoder/{dataset}-{modality}.log",
    threads: 1
    resources:
        gpu=1,
    shell:
        "logged {log} python -m avsep_lib.encoders.train {wildcards.modality} --settings <(echo {params.settings:q})"
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
        settings=lambda w: PLAN.encoder_json(w.what.removesuffix("s")),
        clips=lambda w, input: Path(input.clips).parent,
        encoder=lambda w, input: Path(input.encoder).parent,
    log:
        "<logs>/embed/{dataset}-{what}.log",
    threads: 1
    resources:
        gpu=1,
    shell:
        "logged {log} python -m avsep_lib.encoders.embed {wildcards.what} --settings <(echo {params.settings:q})"
        " --encoder {params.encoder} --clips {params.clips} --out {output}"


rule sanity:
    input:
        clips="<results>/data/{dataset}/clips/clips.json",
        encoders=expand("<results>/data/{{dataset}}/encoders/{modality}/model.safetensors", modality=["image", "audio"]),
        library=modules("avsep_lib.encoders.sanity"),
        environment=ENVIRONMENT,
    output:
        "<results>/data/{dataset}/embeddings/sanity.csv",
    params:
        image=PLAN.encoder_json("image"),
        audio=PLAN.encoder_json("audio"),
        clips=lambda w, input: Path(input.clips).parent,
        encoders=lambda w, input: Path(input.encoders[0]).parent.parent,
    log:
        "<logs>/sanity/{dataset}.log",
    threads: 1
    shell:
        "logged {log} python -m avsep_lib.encoders.sanity --image-settings <(echo {params.image:q})"
        " --audio-settings <(echo {params.audio:q}) --encoders {params.encoders} --clips {params.clips} --out {output}"
