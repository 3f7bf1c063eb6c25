# The worker, the command line and the emulator, installed from the hash-pinned lock.
#   docker build --build-arg VERSION=0.1.0 --build-arg REVISION="$(git rev-parse HEAD)" -t manxue-worker .
FROM python:3.12.13-slim-bookworm AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /app
COPY requirements.lock /build/
# No pip in the image, no code of packages run to build them, nothing that the lock does not name.
RUN python -m venv --without-pip /opt/manxue \
 && pip --python /opt/manxue/bin/python install --require-hashes --only-binary :all: --no-compile -r /build/requirements.lock
COPY manxue manxue
COPY media media
COPY activities activities
COPY workflows workflows
COPY starter starter
COPY telemetry telemetry
COPY emulator emulator
COPY worker.py startup.py deployment.py settings.py connection.py encryption.py logs.py tls.py ./
# The root of the container is read-only: bytecode is made here. By hash and not by time, and with a fixed seed, so that
# it is the same each time.
RUN PYTHONHASHSEED=0 /opt/manxue/bin/python -m compileall -q -j 0 --invalidation-mode unchecked-hash /opt/manxue/lib /app

FROM python:3.12.13-slim-bookworm
RUN useradd --no-create-home --home-dir /scratch --shell /usr/sbin/nologin --uid 10001 manxue \
 && install --directory --owner=10001 --group=10001 /videos /scratch
COPY --from=build /opt/manxue /opt/manxue
COPY --from=build /app /app
WORKDIR /app
ENV PATH=/opt/manxue/bin:$PATH PYTHONPATH=/app PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 \
    HOME=/scratch TMPDIR=/scratch MANXUE_OUTPUT=/videos MANXUE_LOG_FORMAT=json
ARG VERSION=unknown
ARG REVISION=unknown
LABEL org.opencontainers.image.title="manxue-worker" \
      org.opencontainers.image.description="Durable video generation on the SD2 Manxue API" \
      org.opencontainers.image.version=$VERSION \
      org.opencontainers.image.revision=$REVISION
# Names the code to Temporal: docs/upgrading.md.
ENV MANXUE_BUILD_ID=$VERSION-$REVISION
USER 10001:10001
# The only places that are written: finished videos of outputs without a bucket, and, on disk and not in memory, what is
# being downloaded on its way to a bucket.
VOLUME ["/videos", "/scratch"]
# SIGTERM lets activities in flight finish: give the container longer than MANXUE_SHUTDOWN_GRACE (90 s) to stop.
# Health is looked at by who runs the container (docker-compose.yml, deploy/kubernetes/): the emulator needs another check.
ENTRYPOINT ["python", "-m", "starter.cli"]
CMD ["worker"]
