# The image of stream_guard. Two targets, each on a base that you name, with its digest:
#
#   slim  the commands, redrive, and the engines `openai` and `scripted`: any small base with Python 3.11 or newer and its venv
#   gpu   the engine in the pod: a base that has vLLM, at the version that the extra `gpu` pins
#
#   docker build --target slim --build-arg BASE=NAME@sha256:DIGEST .
#
# BASE has no default: a tag alone can become something else, and no digest was checked with this file. There is no model in
# either. All that is installed stands in constraints.txt, by hash; no resolver runs, and what a base has is never replaced.
# Without a package index: put the wheels into image/wheels/ and add `--build-arg PIP_NO_INDEX=1`.
ARG BASE

# -- with what is built: nothing of our own, so that a change of it builds nothing of this anew -----------------------------
FROM ${BASE} AS tools
ARG BASE
RUN case "${BASE}" in *@sha256:*|localhost/*) ;; \
    *) echo "BASE=${BASE}: name the base with its digest (NAME@sha256:DIGEST), or one of your own as localhost/NAME" >&2; exit 2 ;; esac
# The base's own user may be another. Only the two targets below are ever run.
# hadolint ignore=DL3002
USER 0
ARG PIP_INDEX_URL
ARG PIP_NO_INDEX
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_FIND_LINKS=/build/image/wheels PYTHONDONTWRITEBYTECODE=1
WORKDIR /build
COPY constraints.txt ./
COPY image image
RUN python3 -m venv /opt/build \
    && python3 -m image.pins image/build.txt > build.pins \
    && /opt/build/bin/pip install --quiet --require-hashes --no-deps -r build.pins \
    && python3 -m venv /opt/sbom \
    && /opt/sbom/bin/pip install --quiet --require-hashes --no-deps -r image/sbom.txt

# -- our own wheel ----------------------------------------------------------------------------------------------------------
FROM tools AS wheel
COPY pyproject.toml README.md LICENSE ./
COPY policies policies
COPY stream_guard stream_guard
RUN /opt/build/bin/pip wheel --quiet --no-deps --no-build-isolation --wheel-dir dist . \
    && sha256sum dist/*.whl > sums \
    && sed -E 's,^([0-9a-f]+) +(.*)$,/build/\2 --hash=sha256:\1,' sums > own.pins

# An argument is inherited by a stage that is built on another in some builders and not in all: declared again where it is used.

# -- slim: an environment of its own, without pip ---------------------------------------------------------------------------
FROM tools AS slim-files
ARG PIP_INDEX_URL
ARG PIP_NO_INDEX
RUN python3 -m image.pins image/runtime.txt > runtime.pins \
    && python3 -m venv --without-pip /opt/stream-guard \
    && /opt/build/bin/pip --python /opt/stream-guard/bin/python install --quiet --require-hashes --no-deps -r runtime.pins
COPY --from=wheel /build/dist dist
COPY --from=wheel /build/own.pins ./
RUN /opt/build/bin/pip --python /opt/stream-guard/bin/python install --quiet --require-hashes --no-deps -r own.pins \
    && /opt/stream-guard/bin/python -m image.unmet \
    && mkdir -p /usr/share/stream-guard \
    && /opt/sbom/bin/cyclonedx-py environment --output-reproducible -o bill.json /opt/stream-guard/bin/python \
    && python3 -m image.sbom < bill.json > /usr/share/stream-guard/sbom.cdx.json

# -- gpu: only what the base lacks, in a folder beside its own ---------------------------------------------------------------
FROM tools AS gpu-files
ARG PIP_INDEX_URL
ARG PIP_NO_INDEX
ENV PYTHONPATH=/opt/stream-guard/lib
COPY --from=wheel /build/dist dist
COPY --from=wheel /build/own.pins ./
RUN python3 -m image.pins image/runtime.txt --lacking > lacking.pins \
    && /opt/build/bin/pip --python "$(command -v python3)" install --quiet --require-hashes --no-deps \
        --target "${PYTHONPATH}" -r lacking.pins -r own.pins \
    && mv "${PYTHONPATH}/bin" /opt/stream-guard/bin \
    && python3 -m image.unmet vllm \
    && mkdir -p /usr/share/stream-guard \
    && /opt/sbom/bin/cyclonedx-py environment --output-reproducible -o bill.json "$(command -v python3)" \
    && python3 -m image.sbom < bill.json > /usr/share/stream-guard/sbom.cdx.json

# -- what both targets are ------------------------------------------------------------------------------------------------
FROM ${BASE} AS common
ARG BASE
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="stream_guard" \
      org.opencontainers.image.description="Judges what passes through Kafka topics under policies you write" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.base.name="${BASE}"
USER 0
# A name for uid 2000, unless the base has one. Any other uid of group 0 does as well: what asks for a user's name finds
# USER (torch would ask the password file, and fail), and all that is written goes to /tmp or the state folder.
RUN { grep -q '^[^:]*:[^:]*:2000:' /etc/passwd || echo 'stream-guard:x:2000:0:stream_guard:/tmp:/usr/sbin/nologin' >> /etc/passwd; } \
    && mkdir -p /etc/stream-guard/policies /var/lib/stream-guard /models \
    && chown 2000:0 /var/lib/stream-guard \
    && chmod 0770 /var/lib/stream-guard
ENV PATH=/opt/stream-guard/bin:${PATH} \
    HOME=/tmp USER=stream-guard LOGNAME=stream-guard \
    PYTHONDONTWRITEBYTECODE=1 \
    XDG_CACHE_HOME=/tmp/.cache TORCHINDUCTOR_CACHE_DIR=/tmp/.cache/torchinductor TRITON_CACHE_DIR=/tmp/.cache/triton \
    HF_HUB_OFFLINE=1 VLLM_NO_USAGE_STATS=1
EXPOSE 9464
STOPSIGNAL SIGTERM
WORKDIR /var/lib/stream-guard
ENTRYPOINT ["stream-guard"]
CMD ["--help"]
USER 2000:0

FROM common AS gpu
ENV PYTHONPATH=/opt/stream-guard/lib
COPY --from=gpu-files /opt/stream-guard /opt/stream-guard
COPY --from=gpu-files /usr/share/stream-guard /usr/share/stream-guard
# Bytecode of all that the base has: uv, which installs there, compiles none, and nothing can be written at run time. Without it each of
# an engine's three processes compiles all of torch and vLLM at every start: 18.5 s for an import that takes 9.5 s with it. A file of
# some other Python among theirs, which does not compile, is none that is imported.
USER 0
RUN python3 -c 'import compileall, site; [compileall.compile_dir(folder, quiet=2, workers=0) for folder in site.getsitepackages()]'
USER 2000:0

FROM common AS slim
COPY --from=slim-files /opt/stream-guard /opt/stream-guard
COPY --from=slim-files /usr/share/stream-guard /usr/share/stream-guard
