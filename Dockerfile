# Signet alone; Envoys are stock images beside it (docker-compose.yml). Plain enough for the classic builder.
FROM node:24-bookworm-slim AS build
# pip fetches the pinned wheel with the Envoy API's descriptors (proto/requirements.txt); nothing of it is installed.
RUN apt-get update \
  && apt-get install --yes --no-install-recommends python3 python3-pip \
  && rm -rf /var/lib/apt/lists/*
WORKDIR /signet
COPY package.json package-lock.json ./
RUN npm ci --ignore-scripts
COPY . .
RUN npm run build && npm prune --omit=dev

FROM node:24-bookworm-slim
ENV NODE_ENV=production
WORKDIR /signet
COPY --from=build /signet/package.json ./
COPY --from=build /signet/bin bin
COPY --from=build /signet/dist dist
COPY --from=build /signet/node_modules node_modules
RUN ln -s /signet/bin/signet /usr/local/bin/signet
# The uid that the stock Envoy image drops to: so sidecars can read their bootstraps, and nobody else can.
USER 101:101
ENTRYPOINT ["signet"]
CMD ["--help"]
