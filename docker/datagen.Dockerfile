# The renderer and its service, without PyTorch. From the root of the repository:
#   docker build --file docker/datagen.Dockerfile --tag stmoe-datagen .
# EXTRAS are those of pyproject.toml; `cloud` in place of `s3` adds Google's storage, 45 MB.
FROM python:3.11-slim-bookworm AS build

ARG EXTRAS=service,dask,s3,digits
WORKDIR /src
# For strip; no version of it is better than Debian's, and it does not get into the image.
# hadolint ignore=DL3008
RUN apt-get update && apt-get install --yes --no-install-recommends binutils && rm -rf /var/lib/apt/lists/*
RUN python -m venv --without-pip /opt/venv
ENV PATH=/opt/venv/bin:$PATH PIP_PYTHON=/opt/venv
COPY pyproject.toml constraints.txt README.md LICENSE ./
# First what changes seldom: all that the program needs, less a hundred MB that it does not read, which are tests,
# symbols of the largest wheels, and descriptions of Amazon's other services.
RUN mkdir schemas datagen trainer \
    && pip install --no-cache-dir --no-compile --constraint constraints.txt ".[$EXTRAS]"
WORKDIR /opt/venv/lib/python3.11/site-packages
RUN find . -name tests -type d -prune -exec rm -rf {} + \
    && find llvmlite numba numcodecs scipy sklearn -name '*.so' -exec strip --strip-unneeded {} + \
    && find botocore/data -mindepth 1 -maxdepth 1 -type d ! -name 's3' ! -name 'sts' ! -name 'sso*' -exec rm -rf {} +
WORKDIR /src
COPY schemas schemas
COPY datagen datagen
# The wheel names both programs; the other one is not here.
RUN pip install --no-cache-dir --no-compile --no-deps --force-reinstall . && rm /opt/venv/bin/trainer
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
