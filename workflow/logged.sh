# Sourced before every command of the workflow, with the folder of the interpreter that shall run it.
export PATH="$1:$PATH" PYTHONHASHSEED=0

# logged FILE command ...: say when a command starts and ends, keep its output in FILE, show its end after a failure.
logged() {
    local log=$1 code=0 job
    shift
    job=${log#*/logs/}
    job=${job%.*}
    echo "$(date +%T)  $job ..."
    SECONDS=0
    "$@" >"$log" 2>&1 || code=$?
    if [ "$code" -eq 0 ]; then
        echo "$(date +%T)  $job done, $SECONDS s"
    else
        echo "$(date +%T)  $job FAILED; the end of $log:" >&2
        tail -n 12 "$log" >&2
    fi
    return "$code"
}
