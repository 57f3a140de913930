# The renderer and its service, without PyTorch. From the root of the repository:
#   docker build --file docker/datagen.Dockerfile --tag stmoe-datagen .
FROM python:3.11-slim-bookworm AS build

WORKDIR /src
RUN python -m venv /opt/venv
ENV PATH=/opt/venv/bin:$PATH
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY schemas schemas
COPY datagen datagen
# The wheel has both programs; without its packages the other one is a name alone.
RUN mkdir trainer \
    && pip install --no-cache-dir --no-compile --constraint constraints.txt '.[service,dask,cloud,digits]' \
    && rm -f /opt/venv/bin/trainer \
    && find /opt/venv -name tests -type d -prune -exec rm -rf {} +
# Compiled for the machine that builds; another one compiles what it lacks once, into a writable copy.
RUN NUMBA_CACHE_DIR=/opt/kernels datagen warmup

FROM python:3.11-slim-bookworm

LABEL org.opencontainers.image.title="stmoe-synth datagen" \
      org.opencontainers.image.description="Synthetic image sequences with known physics: rendered, stored, served" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /opt/venv /opt/venv
COPY --from=build /opt/kernels /opt/kernels
COPY --chmod=755 docker/with-kernels.sh /opt/with-kernels
RUN useradd --uid 10001 --create-home --home-dir /home/datagen datagen \
    && install --directory --owner datagen /data /var/cache/datagen
ENV PATH=/opt/venv/bin:$PATH \
    NUMBA_CACHE_DIR=/var/cache/datagen \
    DATAGEN_DATA_ROOT=/data \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
USER 10001
WORKDIR /data
VOLUME ["/data"]
EXPOSE 8000
ENTRYPOINT ["/opt/with-kernels"]
CMD ["datagen", "serve", "--host", "0.0.0.0"]
HEALTHCHECK --interval=10s --timeout=5s --start-period=90s --retries=3 \
    CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8000/healthz', timeout=4)"]
