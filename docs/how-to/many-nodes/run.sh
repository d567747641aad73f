#!/usr/bin/env bash
# Two nodes of Countersign on one PostgreSQL, behind nginx, as plain processes on loopback, in a temporary folder. For
# trying out; docs/how-to/many-nodes.md explains each part. Ctrl-C ends all of it and removes the folder.
#
# It needs what `apt-get install postgresql nginx-light` brings, and a built `countersign`, which PROGRAM may name.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
front=${FRONT_PORT:-8000} node_1=${NODE_1_PORT:-8001} node_2=${NODE_2_PORT:-8002} database=${DATABASE_PORT:-8003}

fail() {
    echo "run.sh: $1" >&2
    exit 1
}
find_postgres() {
    local folder
    for folder in $(printf '%s\n' /usr/lib/postgresql/*/bin | sort -rV) $(dirname "$(command -v postgres || true)"); do
        if [ -x "$folder/initdb" ]; then echo "$folder" && return; fi
    done
    fail "there is no PostgreSQL server: apt-get install postgresql"
}
postgres=$(find_postgres)
command -v nginx >/dev/null || fail "there is no nginx: apt-get install nginx-light"
if [ -z "${PROGRAM:-}" ]; then
    (cd "$here/../../.." && cargo build --release)
    PROGRAM=$here/../../../target/release/countersign
fi

room=$(mktemp -d)
chmod 711 "$room" # nginx's workers and PostgreSQL are other users, if root starts this
database_server= proxy= keepers=()
finish() {
    trap '' INT TERM USR1
    for process in "${keepers[@]}" $proxy $database_server; do
        # TERM asks PostgreSQL to wait for its clients, INT doesn't; the others take both.
        if [ "$process" = "$database_server" ]; then kill -INT "$process"; else kill -TERM "$process"; fi
        wait "$process"
    done 2>/dev/null || true
    rm -rf "$room"
}
trap finish EXIT
trap 'exit 0' INT TERM

# PostgreSQL refuses to run as root.
as_postgres=()
if [ "$(id -u)" = 0 ]; then as_postgres=(setpriv --reuid=postgres --regid=postgres --clear-groups); fi
secret() { head -c 48 /dev/urandom | base64 -w 0 | tr '+/' '-_'; }

start_database() {
    mkdir -m 700 "$room/database"
    secret >"$room/database/password"
    if [ "$(id -u)" = 0 ]; then chown -R postgres:postgres "$room/database"; fi
    export PGPASSWORD
    PGPASSWORD=$(cat "$room/database/password")
    (
        cd "$room/database"
        "${as_postgres[@]}" "$postgres/initdb" --pgdata data --username countersign --auth scram-sha-256 \
            --pwfile password --encoding UTF8 --locale C >/dev/null
    )
    "${as_postgres[@]}" "$postgres/postgres" -D "$room/database/data" -p "$database" -c listen_addresses=127.0.0.1 \
        -c unix_socket_directories= >"$room/postgresql.log" 2>&1 &
    database_server=$!
    for _ in $(seq 300); do
        if "$postgres/pg_isready" -q -h 127.0.0.1 -p "$database"; then break; fi
        kill -0 "$database_server" 2>/dev/null || fail "PostgreSQL ended: $(cat "$room/postgresql.log")"
        sleep 0.1
    done
    "$postgres/createdb" -h 127.0.0.1 -p "$database" -U countersign countersign
}

# What both nodes have in common: this is all the configuration that there is.
configure() {
    (umask 077 && secret >"$room/secret_key")
    export COUNTERSIGN_DATABASE_URL="postgres://countersign:$PGPASSWORD@127.0.0.1:$database/countersign?sslmode=disable"
    export COUNTERSIGN_SECRET_KEY_FILE=$room/secret_key
    export COUNTERSIGN_PUBLIC_URL=http://localhost:$front
    export COUNTERSIGN_TRUSTED_PROXIES=127.0.0.1
}

# As a service manager does: a node that has ended is started again.
keep() {
    local name=$1 port=$2 node=
    trap 'kill -TERM "$node" 2>/dev/null && wait "$node"; exit 0' TERM
    cd "$room"
    while :; do
        "$PROGRAM" serve --listen "127.0.0.1:$port" >>"$name.log" 2>&1 &
        node=$!
        echo "$node" >"$name.pid"
        wait "$node" || true
        sleep 0.2
    done
}

is_ready() {
    local line=
    {
        printf 'GET /health/ready HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n' >&3
        read -r -t 5 line <&3
    } 2>/dev/null 3<>"/dev/tcp/127.0.0.1/$1" || return 1
    [[ $line == *" 200 "* ]]
}
wait_for() {
    for _ in $(seq 300); do
        if is_ready "$2"; then return; fi
        sleep 0.1
    done
    fail "$1 did not become ready: $(tail -n 3 "$room/$1.log")"
}

start_proxy() {
    sed "s/:8000;/:$front;/; s/:8001 /:$node_1 /; s/:8002 /:$node_2 /" "$here/countersign.conf" >"$room/countersign.conf"
    cat >"$room/nginx.conf" <<END
pid $room/nginx.pid;
events {}
http {
    access_log off;
    client_body_temp_path $room/body;
    proxy_temp_path $room/proxied;
    fastcgi_temp_path $room/unused;
    uwsgi_temp_path $room/unused;
    scgi_temp_path $room/unused;
    include $room/countersign.conf;
}
END
    nginx -e "$room/nginx.log" -c "$room/nginx.conf" -g "daemon off; error_log $room/nginx.log;" &
    proxy=$!
}

# One node after the other, and none before nginx uses the former again (fail_timeout).
restart_nodes() {
    local name port former
    for name in node-1 node-2; do
        if [ "$name" = node-1 ]; then port=$node_1; else port=$node_2; fi
        former=$(cat "$room/$name.pid")
        kill -TERM "$former"
        while [ "$(cat "$room/$name.pid")" = "$former" ]; do sleep 0.1; done
        wait_for "$name" "$port"
        sleep 2
        echo "$name has been restarted."
    done
}
# The trap only takes note: bash forgets a signal that comes while the trap of an earlier one is coming to its end. Not HUP:
# under nohup and many a service manager that is ignored from the start, and then no shell can trap it.
is_asked=
trap 'is_asked=yes' USR1

start_database
configure
keep node-1 "$node_1" &
keepers+=($!)
keep node-2 "$node_2" &
keepers+=($!)
wait_for node-1 "$node_1"
wait_for node-2 "$node_2"
start_proxy
wait_for nginx "$front"
echo "Countersign answers on http://localhost:$front, by two nodes on ports $node_1 and $node_2."
echo "Restart one after the other: kill -USR1 $$"
echo "Logs are in $room. Ctrl-C ends all."
while kill -0 "$database_server" 2>/dev/null && kill -0 "$proxy" 2>/dev/null; do
    if [ -n "$is_asked" ]; then
        is_asked=
        restart_nodes
    fi
    sleep 0.2
done
fail "PostgreSQL or nginx has ended: see above"
