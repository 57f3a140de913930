# The trainer, without Numba and FastAPI. PyTorch as the package index has it is the CUDA build:
#   docker build --file docker/trainer.Dockerfile --tag stmoe-trainer .
# Another build, such as the one for CPUs, comes from the index that PyTorch's installation page names for it:
#   docker build --file docker/trainer.Dockerfile --build-arg TORCH_INDEX=URL --tag stmoe-trainer:cpu .
FROM python:3.11-slim-bookworm AS build

ARG TORCH_INDEX="" EXTRAS=trainer,real,s3
WORKDIR /src
RUN python -m venv --without-pip /opt/venv
ENV PATH=/opt/venv/bin:$PATH PIP_PYTHON=/opt/venv
# It is pinned; the option after it looks like another package.
# hadolint ignore=DL3013
RUN pip install torch==2.13.0 --no-cache-dir --no-compile ${TORCH_INDEX:+--index-url "$TORCH_INDEX"}
COPY pyproject.toml constraints.txt README.md LICENSE ./
RUN mkdir schemas datagen trainer \
    && pip install --no-cache-dir --no-compile --constraint constraints.txt ".[$EXTRAS]"
# PyTorch's tests, and what compiling against it needs: there is no compiler in the image.
WORKDIR /opt/venv/lib/python3.11/site-packages/torch
RUN rm -rf test include && find bin -type f ! -name torch_shm_manager -delete
WORKDIR /src
COPY schemas schemas
COPY trainer trainer
# The wheel names both programs; the other one is not here.
RUN pip install --no-cache-dir --no-compile --no-deps --force-reinstall . && rm /opt/venv/bin/datagen

FROM python:3.11-slim-bookworm

LABEL org.opencontainers.image.title="stmoe-synth trainer" \
      org.opencontainers.image.description="A mixture of experts that learns physics from synthetic sequences, then from real ones" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /opt/venv /opt/venv
RUN useradd --uid 10001 --create-home --home-dir /home/trainer trainer \
    && install --directory --owner trainer /runs /data
ENV PATH=/opt/venv/bin:$PATH \
    MPLCONFIGDIR=/tmp/matplotlib \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
USER 10001
WORKDIR /data
VOLUME ["/runs"]
ENTRYPOINT ["trainer"]
CMD ["--help"]
# A run that ends ends its container, and one that hangs has no port to ask.
HEALTHCHECK NONE
