#!/bin/sh
# Prepares a container and becomes the service, as the user PUID:PGID.
#
#     serve, health, check …                                  the `storage` command
#     server /data --address :9000 --console-address :9001    as MinIO is started
#     anything else                                           that program
#
# PUID, PGID   who the service runs as. Unset: whoever owns STORAGE_PATH; if that is root, 1000. 0 = root.
# NAME_FILE    a file that holds the secret NAME, as Docker's and Kubernetes' secrets do.
set -eu

say() { echo "storage: $*" >&2; }
refuse() {
    say "$*"
    exit 3
}

SECRETS="SECRET_KEY JWT_SECRET_KEY SECRET_KEY_PREVIOUS ANON_KEY STORAGE_SERVICE_API_KEY API_KEY
    S3_ROOT_ACCESS_KEY S3_ROOT_SECRET_KEY MINIO_ROOT_USER MINIO_ROOT_PASSWORD MINIO_ACCESS_KEY MINIO_SECRET_KEY
    CONSOLE_PASSWORD"

read_secrets() {
    for name in $SECRETS; do
        eval "file=\${${name}_FILE:-}" "value=\${$name:-}"
        [ -n "$file" ] || continue
        [ -z "$value" ] || refuse "$name and ${name}_FILE are both set: unset one"
        value=$(cat -- "$file") || refuse "${name}_FILE cannot be read: $file"
        export "$name=$value"
    done
}

# MinIO's command line and variables, as ours -----------------------------------------------------------------------

# One address more to listen on, if that port is not PORT's.
also_listen() {
    port=${1##*:}
    case ",${ALSO_LISTEN:-}" in *",$1" | *",$1,"*) return ;; esac
    [ "$port" = "${PORT:-8001}" ] || ALSO_LISTEN=${ALSO_LISTEN:+$ALSO_LISTEN,}$1
}

read_minio() {
    path='' address=${MINIO_ADDRESS:-:9000} console=${MINIO_CONSOLE_ADDRESS:-} certs=''
    while [ $# -gt 0 ]; do
        case $1 in
            --address | --console-address | --certs-dir | -S)
                [ $# -gt 1 ] || refuse "$1 needs a value"
                option=$1 value=$2
                shift
                ;;
            --address=* | --console-address=* | --certs-dir=*) option=${1%%=*} value=${1#*=} ;;
            --quiet | --json | --anonymous) option='' value='' ;;
            -*) refuse "MinIO's option $1 means nothing here; see docs/production.md" ;;
            *) option=path value=$1 ;;
        esac
        case $option in
            path) path=${path:+$path }$value ;;
            --address) address=$value ;;
            --console-address) console=$value ;;
            --certs-dir | -S) certs=$value ;;
        esac
        shift
    done
    use_minio
}

# Root pairs of MinIO's compose files are often known ones: they start here too, with a warning at each start.
read_root() {
    : "${MINIO_ROOT_USER:=${MINIO_ACCESS_KEY:-}}" "${MINIO_ROOT_PASSWORD:=${MINIO_SECRET_KEY:-}}"
    if [ -n "$MINIO_ROOT_USER$MINIO_ROOT_PASSWORD" ]; then
        export MINIO_ROOT_USER MINIO_ROOT_PASSWORD ALLOW_KNOWN_ROOT_SECRET=true
    else
        unset MINIO_ROOT_USER MINIO_ROOT_PASSWORD
    fi
}

use_minio() {
    STORAGE_PATH=${path:-${MINIO_VOLUMES:-/data}}
    case $STORAGE_PATH in
        *' '* | *...* | *://*) refuse "one directory serves, not several: $STORAGE_PATH" ;;
    esac
    also_listen "$address"
    [ -z "$console" ] || also_listen "$console"
    : "${STORAGE_SERVICE_PUBLIC_URL:=${MINIO_SERVER_URL:-http://localhost:${address##*:}}}"
    if [ -n "$certs" ]; then
        : "${TLS_CERT:=$certs/public.crt}" "${TLS_KEY:=$certs/private.key}"
        export TLS_CERT TLS_KEY
    fi
    export STORAGE_PATH STORAGE_SERVICE_PUBLIC_URL ALSO_LISTEN="${ALSO_LISTEN:-}"
}

random() { head -c 48 /dev/urandom | base64 -w 0; }

# MinIO knows no SECRET_KEY: one is made at the first start and kept with the store.
keep_secret() {
    [ -z "${SECRET_KEY:-}${JWT_SECRET_KEY:-}" ] || return 0
    kept=$STORAGE_PATH/.storage/secret_key
    if [ -e "$STORAGE_PATH/.minio.sys" ]; then
        SECRET_KEY=$(random) # the service will refuse this directory: nothing is written there
        export SECRET_KEY
        return
    elif [ ! -s "$kept" ]; then
        (
            umask 077
            mkdir -p -- "$STORAGE_PATH/.storage"
            random >"$kept.new"
            sync "$kept.new" && mv -- "$kept.new" "$kept"
        ) || refuse "$kept cannot be written: set SECRET_KEY"
        [ "$(id -u)" != 0 ] || chown -- "$uid:$gid" "$STORAGE_PATH/.storage" "$kept"
    fi
    SECRET_KEY=$(cat -- "$kept") || refuse "$kept cannot be read"
    export SECRET_KEY
}

# The user ----------------------------------------------------------------------------------------------------------

choose_user() {
    uid=${PUID:-} gid=${PGID:-}
    case $uid$gid in *[!0-9]*) refuse "PUID and PGID are numbers, as id -u and id -g print them" ;; esac
    owner=0 group=0
    [ ! -d "$STORAGE_PATH" ] || { owner=$(stat -c %u -- "$STORAGE_PATH") && group=$(stat -c %g -- "$STORAGE_PATH"); }
    [ -n "$uid" ] || { [ "$owner" = 0 ] && uid=1000 || uid=$owner; }
    [ -n "$gid" ] || { [ "$owner" = "$uid" ] && gid=$group || gid=$uid; }
}

# The directory for that user: an empty one at once, a store once, and nothing else ever.
take_directory() {
    mkdir -p -- "$STORAGE_PATH" || refuse "$STORAGE_PATH cannot be made"
    owner=$(stat -c %u -- "$STORAGE_PATH")
    [ "$owner" != "$uid" ] || return 0
    if [ -f "$STORAGE_PATH/.storage/identity.json" ]; then
        say "$STORAGE_PATH belongs to user $owner: giving it to $uid:$gid, once"
        # The directory itself last: it says that the rest was done.
        find "$STORAGE_PATH" -mindepth 1 -exec chown -h "$uid:$gid" {} + || true
        chown -- "$uid:$gid" "$STORAGE_PATH" || true
    elif [ -z "$(find "$STORAGE_PATH" -mindepth 1 -maxdepth 1 ! -name lost+found -print -quit)" ]; then
        chown -- "$uid:$gid" "$STORAGE_PATH" || true
    fi # else the service says what is amiss, and what helps
}

become() {
    if [ "$(id -u)" != 0 ]; then
        [ -z "${PUID:-}" ] || [ "$PUID" = "$(id -u)" ] ||
            say "PUID=$PUID has no effect: the container was started as user $(id -u)"
        exec "$@"
    fi
    [ "$uid" != 0 ] || exec "$@"
    exec setpriv --reuid "$uid" --regid "$gid" --groups "$gid${STORAGE_GID:+,$STORAGE_GID}" --no-new-privs -- "$@"
}

# -------------------------------------------------------------------------------------------------------------------

export STORAGE_PATH="${STORAGE_PATH:-/data/storage}"
minio=''
[ $# -gt 0 ] || set -- serve
[ "$1" != minio ] || shift
case ${1:-} in
    server)
        shift
        minio=yes
        read_minio "$@"
        set -- serve
        ;;
    -* | '') set -- serve "$@" ;;
esac
# A program of the image: a shell to look around in, `storage` itself.
if [ "$1" != storage ] && command -v -- "$1" >/dev/null; then
    exec "$@"
fi
[ "$1" != storage ] || shift

read_secrets
choose_user
[ "$(id -u)" != 0 ] || take_directory
[ -z "$minio" ] || { read_root && keep_secret; }
become storage "$@"
