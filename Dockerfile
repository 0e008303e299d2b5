# A gateway in a container: docker build -t ferrule . && docker run -p 1883:1883 -v ./ferrule.yaml:/etc/ferrule/ferrule.yaml:ro ferrule
# Serial ports: --device /dev/serial/by-id/... --group-add dialout
FROM debian:12-slim AS build
WORKDIR /src
COPY . .
RUN bash -c 'source scripts/lib/packages.sh && apt-get update && need_packages build' \
 && cmake --preset release -DFERRULE_TESTS=OFF -DCMAKE_INSTALL_PREFIX=/usr \
 && cmake --build build/release --target ferrule \
 && bash scripts/lib/runtime-packages.sh build/release/gateway/ferrule > /runtime-packages

FROM debian:12-slim
COPY --from=build /runtime-packages /tmp/runtime-packages
RUN apt-get update && xargs apt-get install -y --no-install-recommends ca-certificates < /tmp/runtime-packages \
 && rm -rf /var/lib/apt/lists/* /tmp/runtime-packages \
 && useradd --system --home-dir /var/lib/ferrule --shell /usr/sbin/nologin --groups dialout ferrule \
 && install -d -o ferrule -g ferrule -m 0750 /var/lib/ferrule /run/ferrule
COPY --from=build /src/build/release/gateway/ferrule /usr/bin/ferrule
COPY config/templates /usr/share/ferrule/templates
COPY config/examples/minimal.yaml /etc/ferrule/ferrule.yaml
ENV STATE_DIRECTORY=/var/lib/ferrule RUNTIME_DIRECTORY=/run/ferrule FERRULE_CONTROL=/run/ferrule/control.sock
USER ferrule
VOLUME /var/lib/ferrule
EXPOSE 1883
STOPSIGNAL SIGTERM
# 1: it runs and something is wrong outside of it, which a restart would not mend.
HEALTHCHECK --interval=30s --timeout=12s --start-period=10s CMD ferrule status > /dev/null; test $? -le 1
ENTRYPOINT ["ferrule"]
CMD ["run", "/etc/ferrule/ferrule.yaml"]
