# The command of a chaos run's jobs: it journals its start and its end, and does one of several things between the two, by
# the last digit of its attempt's fence. What it starts holds the job's lock as well: two attempts of one job at the same
# time, or what is left of one beside another, is told as an overlap.
exec 9>>"$CHAOS_DIR/lock.$REAPER_JOB_ID"
note() {
    read -r up _ < /proc/uptime
    echo "$1 $REAPER_ATTEMPT $$ $up" >> "$CHAOS_DIR/journal"
}
flock -n 9 || { note overlap; exit 99; }
note start
well() {
    : > "$CHAOS_DIR/made.$REAPER_JOB_ID"
    note good
    exit 0
}
case ${REAPER_TASK_ID:+staged}$REAPER_ATTEMPT in
    # Forks, and both work.
    *0) sleep 0.5 & sleep 0.3; wait $!; well ;;
    # Leaves a child behind.
    staged*1) sleep 20 & sleep 0.2; well ;;
    # Fails, and leaves a child behind.
    staged*2) sleep 20 & sleep 0.2; note bad; exit 7 ;;
    # Says that all is well, and has made nothing: its gate is red.
    staged*3) sleep 0.3; note empty; exit 0 ;;
    # Does not end when it is asked to.
    *4) trap '' TERM; sleep 0.6; well ;;
    *5) sleep 0.2; note bad; exit 3 ;;
    # Is slow.
    *6) sleep 1; sleep 1; well ;;
    *) sleep 0.3; well ;;
esac
