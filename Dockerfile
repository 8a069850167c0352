# docker build -t wabridge .
# docker run --network host -v /etc/wabridge:/etc/wabridge:ro -v wabridge:/var/lib/wabridge wabridge
#
# --network host, since RTP needs thousands of UDP ports; docker stop -t must be longer than limits.drain_s.

FROM rust:1-slim-bookworm AS build
RUN apt-get update \
 && apt-get install -y --no-install-recommends cmake make g++ pkg-config libssl-dev \
 && rm -rf /var/lib/apt/lists/*
WORKDIR /build
COPY . .
RUN cargo build --release --locked --bin wabridge \
 && install -D target/release/wabridge /out/wabridge

FROM debian:bookworm-slim
RUN apt-get update \
 && apt-get install -y --no-install-recommends ca-certificates libssl3 \
 && rm -rf /var/lib/apt/lists/* \
 && useradd --system --uid 10001 --home-dir /var/lib/wabridge --shell /usr/sbin/nologin wabridge \
 && install -d -m 0750 -o wabridge -g wabridge /var/lib/wabridge
COPY --from=build /out/wabridge /usr/local/bin/wabridge
USER wabridge
WORKDIR /var/lib/wabridge
VOLUME /var/lib/wabridge
EXPOSE 5061/tcp 5060/udp 5060/tcp 20000-29999/udp
STOPSIGNAL SIGTERM
ENTRYPOINT ["/usr/local/bin/wabridge"]
CMD ["run", "-c", "/etc/wabridge/wabridge.toml"]
