# The worker, the command line and the emulator, installed from the hash-pinned lock.
FROM python:3.12-slim-bookworm AS build
WORKDIR /build
COPY requirements.lock ./
RUN python -m venv /opt/manxue \
 && /opt/manxue/bin/pip install --no-cache-dir --require-hashes -r requirements.lock

FROM python:3.12-slim-bookworm
RUN useradd --create-home --uid 10001 manxue \
 && mkdir /videos \
 && chown manxue /videos
WORKDIR /app
COPY --from=build /opt/manxue /opt/manxue
COPY manxue manxue
COPY media media
COPY activities activities
COPY workflows workflows
COPY starter starter
COPY emulator emulator
COPY worker.py settings.py connection.py encryption.py logs.py ./
ENV PATH=/opt/manxue/bin:$PATH PYTHONPATH=/app PYTHONUNBUFFERED=1 MANXUE_OUTPUT=/videos MANXUE_LOG_FORMAT=json
USER manxue
VOLUME /videos
# SIGTERM lets activities in flight finish: give the container longer than MANXUE_SHUTDOWN_GRACE (90 s) to stop.
ENTRYPOINT ["python", "-m", "starter.cli"]
CMD ["worker"]
