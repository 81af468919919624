# Checks on everything above, the offline report, and the copies in figures/<profile>.
LOOKED_AT = [path for group in GROUPS if group not in ("descriptors", "canaries") for path in GROUPS[group]]
EXECUTED = [f"<results>/notebooks/{stem}.ipynb" for stem in READS]


rule canaries:
    input:
        data=LOOKED_AT,
        library=modules("avsep_lib.canaries"),
        environment=ENVIRONMENT,
    output:
        "<results>/canaries.json",
    params:
        profile=PLAN.profile.name,
        settings=PLAN.everything_json(),
    log:
        "<logs>/canaries.log",
    threads: 1
    resources:
        mem_mb=memory("canaries"),
        runtime=minutes("canaries"),
    shell:
        "logged {log} python -m avsep_lib.canaries --profile {params.profile} --out {output}"


rule selftest:
    input:
        data=LOOKED_AT,
        library=modules("avsep_lib.canaries.selftest"),
        environment=ENVIRONMENT,
    output:
        "<results>/canaries_tried.json",
    params:
        profile=PLAN.profile.name,
        settings=PLAN.everything_json(),
    log:
        "<logs>/selftest.log",
    threads: 1
    resources:
        mem_mb=memory("selftest"),
        runtime=minutes("selftest"),
    shell:
        "logged {log} python -m avsep_lib.canaries.selftest --profile {params.profile} --out {output}"


rule report:
    input:
        EXECUTED,
        ARTIFACTS,
        canaries="<results>/canaries.json",
        shown=["notebooks/glossary.md", "paper/published.csv", "paper/claims.yaml"],
        library=modules("avsep_lib.report"),
        environment=ENVIRONMENT,
    output:
        "<results>/report/index.html",
    params:
        profile=PLAN.profile.name,
        settings=PLAN.everything_json(),
    log:
        "<logs>/report.log",
    resources:
        mem_mb=memory("report"),
        runtime=minutes("report"),
    shell:
        "logged {log} python -m avsep_lib.report --profile {params.profile}"


rule publish:
    input:
        ARTIFACTS,
        canaries="<results>/canaries.json",
        report="<results>/report/index.html",
        library=modules("avsep_lib.publish"),
    output:
        "<results>/published.json",
    params:
        profile=PLAN.profile.name,
    log:
        "<logs>/publish.log",
    resources:
        mem_mb=memory("publish"),
        runtime=minutes("publish"),
    shell:
        "logged {log} python -m avsep_lib.publish --profile {params.profile}"
