# Keeps one PostgreSQL cluster for as long as whoever started this holds its standard input open, and then removes it.
#
# Usage: sh -c keeper.sh keeper FOLDER INITDB-PROGRAM POSTGRES-PROGRAM [postgres option]...
#
# It works in a process group of its own, so that Ctrl-C at the terminal does not reach it, and needs nobody to tell it
# that the end has come: a program that panics or is killed closes the pipe too. FOLDER holds `password` and becomes
# `data`, `log` and, once the server has ended for whatever reason, `ended`.
trap '' HUP INT TERM
umask 077
folder=$1 initdb=$2 postgres=$3
shift 3
cd "$folder" || exit 1

{
    "$initdb" -D data -U reaper --pwfile=password --auth-local=trust --auth-host=scram-sha-256 \
        --encoding=UTF8 --locale=C --no-sync && "$postgres" -D data "$@"
    : > ended
} > log 2>&1 < /dev/null &

# Nothing is ever written to the pipe.
read -r _

# At once and without a checkpoint: nobody will read this data again. Until the server has written its pid file there is
# nothing to signal yet, so that this looks again and again, for ten seconds at most.
looks=200
while [ ! -e ended ] && [ $looks -gt 0 ]; do
    [ ! -e data/postmaster.pid ] || kill -QUIT "$(head -n 1 data/postmaster.pid)"
    sleep 0.05
    looks=$((looks - 1))
done 2> /dev/null
[ -e ended ] || kill -KILL "$(head -n 1 data/postmaster.pid)" 2> /dev/null
cd / && rm -rf "$folder"
