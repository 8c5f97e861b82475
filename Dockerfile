# The server over standard input and output: `docker run -i --rm account-health`. README.md says what to mount.
# There is no HEALTHCHECK: such a server has no port, and it ends when its client hangs up.
FROM python:3.13-slim-bookworm AS build
WORKDIR /build
COPY pyproject.toml LICENSE README.md REFERENCE.md SKILL.md ./
COPY templates templates
COPY src src
RUN python -m venv /venv \
  && /venv/bin/pip install --no-cache-dir --disable-pip-version-check '.[postgres]'

FROM python:3.13-slim-bookworm
# The history is written to /data; /config holds account-health.toml and its files, and may be read-only.
RUN useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin account-health \
  && install --directory --owner account-health /config /data
COPY --from=build /venv /venv
ENV PATH=/venv/bin:$PATH XDG_DATA_HOME=/data
USER 10001
WORKDIR /config
VOLUME /data
ENTRYPOINT ["account-health"]
CMD ["serve"]
