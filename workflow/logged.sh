# Sourced before every command of the workflow, with the folder of the interpreter that shall run it and the profile's
# `hub`: model hubs are out of reach unless it says online.
export PATH="$1:$PATH" PYTHONHASHSEED=0
if [ "$2" = online ]; then HF_HUB_OFFLINE=0; else HF_HUB_OFFLINE=1; fi
export HF_HUB_OFFLINE TRANSFORMERS_OFFLINE=$HF_HUB_OFFLINE
export AVSEP_JOB=1 # by this `regenerate.py` knows jobs whose Snakemake was killed

# logged FILE command ...: say when a command starts and ends, keep its output in FILE, show its end after a failure.
logged() {
    local log=$1 code=0 job
    shift
    job=${log#*/logs/}
    job=${job%.*}
    # `regenerate.py` sets AVSEP_WARM: jobs need not import PyTorch and its like each for itself (see warm.py).
    if [ -n "${AVSEP_WARM:-}" ] && [ "$1 $2" = "python -m" ]; then
        set -- python -I -S "$(dirname "${BASH_SOURCE[0]}")/warm.py" "${@:3}"
    fi
    echo "$(date +%T)  $job ..."
    SECONDS=0
    "$@" >"$log" 2>&1 || code=$?
    if [ "$code" -eq 0 ]; then
        echo "$(date +%T)  $job done, $SECONDS s"
    else
        echo "$(date +%T)  $job FAILED; the end of $log:" >&2
        [ "$code" -ne 137 ] || echo "killed, most likely for memory: run again with CORES=1" >>"$log"
        echo "exit code $code" >>"$log" || echo "so the log may lack its end, where the reason was" >&2
        tail -n 12 "$log" >&2
    fi
    return "$code"
}
