// Starts and ends the demo's processes. None is left behind, however the demo itself ends.
import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { closeSync, mkdirSync, openSync, readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { ADDRESSES, ENVIRONMENT, LOGS, ROOT, SIGNET } from './layout.mjs';
import { MARK, sweep } from './sweep.mjs';

/** A failure that the user is told in this one sentence. */
export class DemoError extends Error {}

const run = randomUUID();
let stopping = false;
let keeper;

/** From here on everything that `start` starts ends with this process, even if it is killed. */
export const watchOver = () => {
  mkdirSync(LOGS, { recursive: true, mode: 0o700 });
  const script = fileURLToPath(new URL('keeper.mjs', import.meta.url));
  // A session of its own: Ctrl-C goes to the demo alone, which ends the others in order.
  keeper = spawn(process.execPath, [script, run], { detached: true, stdio: ['pipe', 'ignore', 'inherit'] });
  keeper.stdin.on('error', () => {});
};

/** Starts `signet ARGUMENTS`, its output in a log of its own; `again` appends to it. */
export const start = (name, args, again = false) => {
  if (stopping) throw new DemoError('the demo is being stopped');
  const log = join(LOGS, `${name}.log`);
  const file = openSync(log, again ? 'a' : 'w', 0o600);
  const child = spawn(SIGNET, args, {
    cwd: ROOT,
    detached: true,
    stdio: ['ignore', file, file],
    env: { ...process.env, ...ENVIRONMENT, [MARK]: run },
  });
  closeSync(file);
  const started = { name, log, child, ended: undefined };
  child.on('error', (error) => {
    started.ended = error.message;
  });
  child.on('exit', (code, signal) => {
    started.ended = signal === null ? `exit code ${code}` : `signal ${signal}`;
  });
  return started;
};

/** Ends all of them and waits until they are gone. */
export const stopAll = async () => {
  stopping = true;
  await sweep(run);
  keeper?.stdin.end();
};

/** The last lines that a process said. */
const lastWords = ({ log }) => readFileSync(log, 'utf8').trim().split('\n').slice(-3).join('\n  ');

/** Fails with the process's own last words if it has ended. */
export const expectAlive = (started) => {
  if (started.ended === undefined) return;
  throw new DemoError(`${started.name} ended (${started.ended}):\n  ${lastWords(started)}`);
};

/** Waits until `probe` gives something truthy, and returns that. Ends early when one of `alive` ends. */
export const until = async (what, probe, { alive = [], seconds = 30 } = {}) => {
  const deadline = Date.now() + seconds * 1000;
  for (;;) {
    for (const started of alive) expectAlive(started);
    const found = await Promise.resolve(probe()).catch(() => undefined);
    if (found) return found;
    if (Date.now() > deadline)
      throw new DemoError(`${what} did not happen within ${seconds} s; the logs are in ${LOGS}`);
    await sleep(100);
  }
};

const tryToListen = ({ host, port }) =>
  new Promise((resolve) => {
    const server = createServer();
    server.once('error', (error) => resolve(error));
    server.listen({ host, port }, () => server.close(() => resolve(undefined)));
  });

/** Refuses to start over somebody else's ports. */
export const expectFreePorts = async () => {
  for (const address of ADDRESSES) {
    const error = await tryToListen(address);
    if (error === undefined) continue;
    const place = `${address.host}:${address.port}`;
    if (error.code !== 'EADDRINUSE')
      throw new DemoError(`cannot listen on ${place} for ${address.owner}: ${error.message}`);
    throw new DemoError(
      `${place}, which ${address.owner} needs, is taken: end what listens there (ss -ltnp 'sport = :${address.port}' ` +
        'names it; perhaps the demo runs already), then try again',
    );
  }
};
