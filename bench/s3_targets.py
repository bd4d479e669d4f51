"""What the S3 door is measured against: nginx with static files and WebDAV, and the bare app."""

import os
import shutil
from dataclasses import replace
from pathlib import Path

from bench.processes import Server
from bench.s3_plays import BUCKET, Pair
from bench.targets import Place, bare, free_port, ours

NGINX = """daemon off; worker_processes 2; pid {run}/nginx.pid; error_log {run}/error.log error;
{user}
events {{ worker_connections 4096; multi_accept on; }}
http {{
    access_log off; sendfile on; tcp_nopush on; tcp_nodelay on; default_type application/octet-stream;
    keepalive_requests 100000000; keepalive_timeout 300s; client_max_body_size 0; client_body_buffer_size 64k;
    open_file_cache max=20000 inactive=300s; open_file_cache_valid 300s;
    client_body_temp_path {run}/body; proxy_temp_path {run}/proxy; fastcgi_temp_path {run}/fastcgi;
    uwsgi_temp_path {run}/uwsgi; scgi_temp_path {run}/scgi;
    server {{
        listen 127.0.0.1:{port} reuseport backlog=4096;
        root {run}/root;
        location = /ready {{ return 200 "ok"; }}
        location / {{ dav_methods PUT DELETE; create_full_put_path on; dav_access user:rw; }}
    }}
}}
"""


def service(place: Place, pair: Pair) -> Server:
    """One worker of the service, with a root pair."""
    made = ours(1, place)
    keys = {"S3_ROOT_ACCESS_KEY": pair.access_key, "S3_ROOT_SECRET_KEY": pair.secret}
    return replace(made, environment={**made.environment, **keys})


def app(place: Place) -> Server:
    return bare(1, place)


def nginx(place: Place) -> Server:
    run = place.logs / "nginx"
    (run / "root" / BUCKET).mkdir(parents=True, exist_ok=True)
    port = free_port()
    user = "user root;" if os.geteuid() == 0 else ""
    (run / "nginx.conf").write_text(NGINX.format(run=run, port=port, user=user))
    program = shutil.which("nginx") or "nginx"
    command = [program, "-p", str(run), "-c", str(run / "nginx.conf")]
    return Server("nginx", 2, command, {"PATH": os.environ["PATH"]}, port, "/ready", Path(place.logs / "nginx.log"))
