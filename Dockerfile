# The storage service as an image. `docker compose up` builds it; by hand: docker build -t storage-service .
# Nothing here depends on the processor: build it on or for arm64 as on amd64. docs/production.md tells the rest.

ARG PYTHON_IMAGE=python:3.11-slim-bookworm

FROM ${PYTHON_IMAGE} AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /build
RUN python -m venv /opt/storage
# Requirements first: they change less often than the code, and this step takes longest.
COPY requirements.txt ./
RUN /opt/storage/bin/pip install --no-cache-dir -r requirements.txt
COPY LICENSE README.md pyproject.toml ./
COPY storage_service storage_service
RUN /opt/storage/bin/pip install --no-cache-dir --no-deps .

FROM ${PYTHON_IMAGE}
LABEL org.opencontainers.image.title="Storage service" \
      org.opencontainers.image.description="Self-hosted object storage in plain files" \
      org.opencontainers.image.licenses="Apache-2.0"
# curl: for health checks that are written elsewhere. Versions of Debian's own packages are the base image's business.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends curl \
    && rm -rf /var/lib/apt/lists/*
COPY --from=build /opt/storage /opt/storage
COPY deploy/entrypoint.sh /usr/local/bin/storage-entrypoint
# For health checks that are written for MinIO: `mc ready local`.
COPY deploy/mc /usr/local/bin/mc
ENV PATH=/opt/storage/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    HOST=0.0.0.0 \
    PORT=8001 \
    STORAGE_PATH=/data/storage
# No .env lies there, and nobody writes there: settings are the container's environment.
WORKDIR /opt/storage
EXPOSE 8001
# Recovery may take a while after a crash; until then the service says so and is not ready.
HEALTHCHECK --interval=30s --timeout=10s --start-period=5m --retries=3 CMD ["storage", "health"]
# Requests under way get 25 s, settling 5 s more: docker stop -t 35, in compose stop_grace_period.
STOPSIGNAL SIGTERM
# Root only to take the directory for PUID:PGID; the service runs as that user.
ENTRYPOINT ["storage-entrypoint"]
CMD ["serve"]
