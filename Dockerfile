# The daemon, its command line and its probe. Made by BuildKit or buildah:
#
#   make wheels && docker build -t longshored .
#
# BASE_IMAGE needs Python 3.11 or newer with venv. No package index is asked: all
# wheels come from build/wheels, and those of others are checked against the lock.
ARG BASE_IMAGE=python:3.11-slim-bookworm

FROM ${BASE_IMAGE} AS build
COPY requirements/image.txt /image.txt
# Not a mount: buildah 1.28 would take a cached layer though the wheels had changed.
COPY build/wheels /wheels
# pip stays in this stage. Bytecode is checked by nothing at run time, so that it
# neither depends on the times of files nor is ever written again. zstandard brings
# its library twice, 12 MB each; this one needs cffi, which is not here.
RUN python3 -m venv /pip \
    && python3 -m venv --without-pip /opt/longshore \
    && /pip/bin/pip --python /opt/longshore/bin/python install --no-cache-dir \
        --no-compile --no-index --find-links /wheels --require-hashes -r /image.txt \
    && /pip/bin/pip --python /opt/longshore/bin/python install --no-cache-dir \
        --no-compile --no-index --no-deps /wheels/longshore-*.whl \
    && rm /opt/longshore/lib/python3*/site-packages/zstandard/_cffi.* \
    && /opt/longshore/bin/python -m compileall -q \
        --invalidation-mode unchecked-hash /opt/longshore/lib \
    && cp /wheels/sbom.cdx.json /opt/longshore/

FROM ${BASE_IMAGE}
COPY --from=build /opt/longshore /opt/longshore
# New named volumes take over owner and mode. Group 0 may write: where the platform
# chooses the user, its group is 0. There is no VOLUME: with one, a volume that was
# forgotten is replaced by one that nobody finds again, and its jobs are lost.
RUN install -d -o 10001 -g 0 -m 0770 /var/lib/longshore /run/longshore

# HOME: a user that the platform chose has none.
ENV PATH=/opt/longshore/bin:/usr/local/bin:/usr/bin:/bin \
    HOME=/var/lib/longshore \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    LONGSHORE_ADDRESS=unix:/run/longshore/longshored.sock \
    LONGSHORE_SERVER__LISTEN=unix:/run/longshore/longshored.sock \
    LONGSHORE_STORE__DIRECTORY=/var/lib/longshore/state \
    LONGSHORE_IMAGES__ROOTS=/srv/images \
    LONGSHORE_LOG__FORMAT=json

ARG VERSION=unknown
ARG REVISION=unknown
ARG CREATED=1970-01-01T00:00:00Z
LABEL org.opencontainers.image.title="longshored" \
      org.opencontainers.image.description="Job control for disk images" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.created="${CREATED}"

USER 10001:0
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 \
    CMD ["longshored", "probe"]
ENTRYPOINT ["longshored"]
CMD ["serve"]
