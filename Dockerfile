# A gateway in a container: docker build -t ferrule . && docker run -p 1883:1883 -v ./ferrule.yaml:/etc/ferrule/ferrule.yaml:ro ferrule
# Serial ports: --device /dev/serial/by-id/... --group-add dialout
# The image has the Debian package, built as scripts/package builds it, which also tries what the second stage does.
FROM debian:12-slim AS build
WORKDIR /build/source
COPY . .
ENV DEB_BUILD_OPTIONS=nocheck DEB_BUILD_PROFILES=nocheck
RUN apt-get update \
 && apt-get install -y --no-install-recommends build-essential \
 && apt-get build-dep -y --no-install-recommends ./ \
 && dpkg-buildpackage --unsigned-changes --build=binary

FROM debian:12-slim
COPY --from=build /build/ferrule_*.deb /tmp/
RUN apt-get update \
 && apt-get install -y --no-install-recommends ca-certificates /tmp/ferrule_*.deb \
 && rm -rf /var/lib/apt/lists/* /tmp/ferrule_*.deb \
 && install -d -o ferrule -g ferrule -m 0750 /var/lib/ferrule /run/ferrule
ENV STATE_DIRECTORY=/var/lib/ferrule RUNTIME_DIRECTORY=/run/ferrule FERRULE_CONTROL=/run/ferrule/control.sock
USER ferrule
VOLUME /var/lib/ferrule
EXPOSE 1883
STOPSIGNAL SIGTERM
# 1: it runs and something is wrong outside of it, which a restart would not mend; 70: a thread of it hangs.
HEALTHCHECK --interval=30s --timeout=12s --start-period=10s CMD ferrule status > /dev/null; test $? -le 1
ENTRYPOINT ["ferrule"]
CMD ["run", "/etc/ferrule/ferrule.yaml"]
