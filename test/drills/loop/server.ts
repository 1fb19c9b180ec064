import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import { readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { freePort } from '../../support/loopback.ts';
import type { SidecarsOrder } from './sidecars.ts';

export const TRUST_DOMAIN = 'drill.example';

/** A built `signet serve` whose event loop is watched. */
export type WatchedServer = {
  readonly save: (text: string) => Promise<void>;
  readonly get: (path: string) => Promise<string>;
  /** Sidecars of the first `services` services, in turn. */
  readonly sidecars: (services: number, count: number) => Promise<SidecarsOrder>;
  readonly stalls: () => Promise<readonly Stall[]>;
  readonly stop: () => Promise<void>;
};

/** Milliseconds without a turn of the event loop, and when they ended; `busy` is what the process computed meanwhile. */
export type Stall = { readonly at: number; readonly gap: number; readonly busy: number };

const host = '127.0.0.1';

export const startWatched = async (folder: string, text: string): Promise<WatchedServer> => {
  const [file, data, stalls] = ['mesh.yaml', 'data', 'stalls'].map((name) => join(folder, name)) as [
    string,
    string,
    string,
  ];
  const [xds, admin] = [await freePort(), await freePort()];
  await Promise.all([writeFile(file, text), writeFile(stalls, '')]);
  const args = ['--config', file, '--data', data, '--xds', `${host}:${xds}`, '--admin', `${host}:${admin}`];
  const output = openSync(join(folder, 'serve.log'), 'w');
  const watch = fileURLToPath(new URL('watch.mjs', import.meta.url));
  const signet = fileURLToPath(new URL('../../../bin/signet', import.meta.url));
  const child = spawn(process.execPath, ['--import', watch, signet, 'serve', ...args], {
    stdio: ['ignore', output, output],
    env: { ...process.env, STALLS_FILE: stalls },
  });
  closeSync(output);
  const exit = once(child, 'exit');
  process.once('exit', () => child.kill('SIGKILL'));

  const url = `http://${host}:${admin}`;
  const ask = async (path: string, body?: object): Promise<string> => {
    const authorization = `Bearer ${(await readFile(join(data, 'admin.token'), 'utf8')).trim()}`;
    const json = {
      method: 'POST',
      body: JSON.stringify(body),
      headers: { authorization, 'content-type': 'application/json' },
    };
    const answer = await fetch(`${url}${path}`, body === undefined ? { headers: { authorization } } : json);
    if (!answer.ok) throw new Error(`${path}: ${answer.status} ${await answer.text()}`);
    return answer.text();
  };
  for (let tries = 0; tries < 300 && !(await fetch(`${url}/readyz`).catch(() => undefined))?.ok; tries++)
    await sleep(100);
  return {
    save: async (next) => {
      await writeFile(`${file}.new`, next);
      await rename(`${file}.new`, file);
    },
    get: (path) => ask(path),
    sidecars: async (services, count) => {
      const bootstrap = await ask('/api/v1/bootstraps', { service: 'default/s0' });
      const anchor = /"trusted_ca":\{"inline_string":("[^"]+")/.exec(bootstrap)?.[1] ?? '""';
      const tokens: string[] = [];
      for (let index = 0; index < services; index++) {
        const made = await ask('/api/v1/tokens', { service: `default/s${index}`, uses: count });
        tokens.push((JSON.parse(made) as { readonly token: string }).token);
      }
      const sidecars = Array.from({ length: count }, (_, index) => ({
        nodeId: `default/s${index % services}/i${index}`,
        token: tokens[index % services] ?? '',
        metadata: { 'signet.address': `127.9.${Math.floor(index / 250)}.${(index % 250) + 1}` },
      }));
      const serverId = `spiffe://${TRUST_DOMAIN}/signet/control-plane`;
      const common = { address: { host, port: xds }, anchorPem: JSON.parse(anchor) as string, serverId };
      return { common, trustDomain: TRUST_DOMAIN, sidecars };
    },
    stalls: async () =>
      (await readFile(stalls, 'utf8')).split('\n').flatMap((line) => (line === '' ? [] : (JSON.parse(line) as Stall))),
    stop: async () => {
      child.kill('SIGTERM');
      await exit;
    },
  };
};
