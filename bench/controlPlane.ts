import { mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { freePort } from '../test/support/loopback.ts';
import { TRUST_DOMAIN } from './meshFile.ts';
import type { FleetOptions } from './messages.ts';
import { type Child, startServer } from './processes.ts';

/** A real `signet serve` on loopback with a folder of its own. */
export type BenchServer = Child & {
  /** Saves mesh.yaml as editors do; resolves with the moment of the save, `Date.now()`. */
  readonly save: (text: string) => Promise<number>;
  /** All that `count` simulated sidecars need; they take turns with the first `services` services. */
  readonly fleet: (services: number, count: number) => Promise<FleetOptions>;
  /** One value of `/metrics`. */
  readonly metric: (name: string) => Promise<number>;
  /** The longest delay of its event loop since the last call, ms. */
  readonly loopDelay: () => Promise<number>;
};

type Bootstrap = {
  readonly static_resources: {
    readonly clusters: readonly {
      readonly transport_socket: {
        readonly typed_config: {
          readonly common_tls_context: {
            readonly validation_context: { readonly trusted_ca: { readonly inline_string: string } };
          };
        };
      };
    }[];
  };
};

const host = '127.0.0.1';

export const startBenchServer = async (text: string): Promise<BenchServer> => {
  const folder = await mkdtemp(join(tmpdir(), 'signet-bench-'));
  const [file, data] = [join(folder, 'mesh.yaml'), join(folder, 'data')];
  const [xds, admin] = [await freePort(), await freePort()];
  await writeFile(file, text);
  const places = ['--xds', `${host}:${xds}`, '--admin', `${host}:${admin}`];
  const server = startServer(['--config', file, '--data', data, ...places], join(folder, 'serve.log'));
  const url = `http://${host}:${admin}`;
  const stop = async (): Promise<void> => {
    await server.stop();
    await rm(folder, { recursive: true, force: true });
  };
  const ask = async <T>(path: string, body: object): Promise<T> => {
    const authorization = `Bearer ${(await readFile(join(data, 'admin.token'), 'utf8')).trim()}`;
    const headers = { authorization, 'content-type': 'application/json' };
    const answer = await fetch(`${url}${path}`, { method: 'POST', headers, body: JSON.stringify(body) });
    if (!answer.ok) throw new Error(`${path}: ${answer.status} ${await answer.text()}`);
    return (await answer.json()) as T;
  };
  try {
    await untilReady(`${url}/readyz`);
  } catch (error) {
    await stop();
    throw error;
  }
  const metric = async (name: string): Promise<number> => {
    const text = await (await fetch(`${url}/metrics`)).text();
    return Number(new RegExp(`^${name} (\\S+)`, 'm').exec(text)?.[1]);
  };
  return {
    pid: server.pid,
    stop,
    metric,
    // Each reading starts a new measurement. What is read is the time between two ticks of its 10 ms timer.
    loopDelay: async () => Math.round((await metric('nodejs_eventloop_lag_max_seconds')) * 1000 - 10),
    save: async (next) => {
      await writeFile(`${file}.new`, next);
      await rename(`${file}.new`, file);
      return Date.now();
    },
    fleet: async (services, count) => {
      const { bootstrap } = await ask<{ bootstrap: Bootstrap }>('/api/v1/bootstraps', { service: 'bench/s0' });
      const [cluster] = bootstrap.static_resources.clusters;
      const anchor = cluster?.transport_socket.typed_config.common_tls_context.validation_context.trusted_ca;
      if (anchor === undefined) throw new Error('the bootstrap holds no anchor');
      const tokens: string[] = [];
      for (let index = 0; index < services; index++) {
        const request = { service: `bench/s${index}`, uses: count };
        tokens.push((await ask<{ token: string }>('/api/v1/tokens', request)).token);
      }
      return {
        address: { host, port: xds },
        anchorPem: anchor.inline_string,
        serverId: `spiffe://${TRUST_DOMAIN}/signet/control-plane`,
        trustDomain: TRUST_DOMAIN,
        sidecars: Array.from({ length: count }, (_, index) => ({
          nodeId: `bench/s${index % services}/i${index}`,
          token: tokens[index % services] ?? '',
          // Every sidecar on a host of its own.
          localAddress: `127.9.${Math.floor(index / 250)}.${(index % 250) + 1}`,
        })),
      };
    },
  };
};

const untilReady = async (url: string): Promise<void> => {
  for (let tries = 0; tries < 200; tries++) {
    const answer = await fetch(url).catch(() => undefined);
    if (answer?.ok) return;
    await sleep(100);
  }
  throw new Error(`${url} did not become ready within 20 s`);
};
