import { join } from 'node:path';
import type { EnvoyAdmin } from '../control/askEnvoy.ts';
import { ENVOY_FLAGS } from '../control/bootstraps.ts';
import { systemClock as clock } from '../control/clock.ts';
import { AppError, messageOf } from '../lib/errors.ts';
import { type HostPort, showHostPort } from '../lib/hostPort.ts';
import type { Duration } from '../lib/time.ts';
import { type Child, type Ended, exitCodeOf, startChild, stopChild } from './envoyProcess.ts';
import { envoyIsReady } from './envoyReady.ts';
import type { Join } from './fetchSvid.ts';
import { writeAtomically } from './files.ts';
import { type KeptCertificate, keepCertificate } from './keepCertificate.ts';
import { newerCertificate } from './newerCertificate.ts';
import { openPrivateFolder } from './privateFolder.ts';

export type SidecarOptions = {
  readonly envoy: string;
  /** Asks for the bootstrap of a new instance that lives in these places. */
  readonly bootstrap: (places: Places) => Promise<Instance>;
  /** Where Envoy's admin API is if not at the pipe. */
  readonly admin: HostPort | undefined;
  readonly outbound: HostPort;
  readonly command: readonly string[];
  /** What the control plane knows of a refusal by this node's Envoy; `undefined` if nothing was refused. */
  readonly refusal: (node: string) => Promise<string | undefined>;
  readonly say: (sentence: string) => void;
  readonly env: NodeJS.ProcessEnv;
};

export type Places = {
  /** Where Envoy's admin API shall be, if the user asked for no port. */
  readonly pipe: string;
  /** Where Envoy shall find its client certificate. */
  readonly certificate: string;
};

export type Instance = { readonly node: string; readonly bootstrap: object; readonly join: Join };

const READY_WITHIN: Duration = 60_000;
const PATIENCE: Duration = 7_000;
const MAX_BACKOFF: Duration = 10_000;
/** An Envoy that ran for this long had started well. */
const STEADY: Duration = 30_000;

/**
 * Runs Envoy for one service, and a command beside it. Both end together, and with this process.
 * @returns the exit code of the command, or of Envoy without one
 */
export const runSidecar = async (options: SidecarOptions): Promise<number> => {
  const folder = await openPrivateFolder('sidecar');
  const stop = new Stop();
  let certificate: KeptCertificate | undefined;
  try {
    const pipe = join(folder.path, 'admin.sock');
    const places = { pipe, certificate: join(folder.path, 'certificate') };
    const { node, bootstrap, join: by } = await options.bootstrap(places);
    const isOutdated = newerCertificate(options.admin ?? { pipe });
    const keep = { folder: places.certificate, node, join: by, say: options.say, clock, isOutdated };
    certificate = await keepCertificate(keep);
    if (stop.requested) return 130;
    const file = { path: join(folder.path, 'envoy.json'), text: JSON.stringify(bootstrap) };
    const run: Run = { options, node, file, admin: options.admin ?? { pipe }, stop };
    return options.command.length === 0 ? await supervise(run) : await accompany(run);
  } finally {
    stop.close();
    await certificate?.close();
    await folder.close();
  }
};

type Run = {
  readonly options: SidecarOptions;
  readonly node: string;
  readonly file: { readonly path: string; readonly text: string };
  readonly admin: EnvoyAdmin;
  readonly stop: Stop;
};

/** Signals that this process was sent, passed on to whoever is in front. */
class Stop {
  requested = false;
  #child: Child | undefined;
  #wake: () => void = () => {};
  readonly #listeners = (['SIGINT', 'SIGTERM', 'SIGHUP'] as const).map((signal) => {
    const listener = (): void => this.#on(signal);
    process.on(signal, listener);
    return () => process.off(signal, listener);
  });

  pass(child: Child, whole: boolean): void {
    this.#child = child;
    this.#whole = whole;
  }

  #whole = false;

  #on(signal: NodeJS.Signals): void {
    this.requested = true;
    this.#wake();
    // A terminal sends Ctrl-C to the command by itself.
    if (signal === 'SIGINT' && this.#whole && process.stdin.isTTY) return;
    this.#child?.process.kill(signal);
  }

  /** Waits, but no longer than until a signal comes. */
  async pause(span: Duration): Promise<void> {
    if (this.requested) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, span);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  close(): void {
    for (const remove of this.#listeners) remove();
  }
}

const startEnvoy = async ({ options, file }: Run): Promise<Child> => {
  await writeAtomically(file.path, file.text, 0o600);
  const level = options.command.length === 0 ? 'warning' : 'error';
  return startChild(options.envoy, ['-c', file.path, ...ENVOY_FLAGS, '--log-level', level], {
    // Its own words go to stderr: stdout is the command's. A group of its own: Ctrl-C ends the command first.
    stdio: ['ignore', 2, 2],
    env: options.env,
    detached: true,
  });
};

/** Envoy alone, started again when it falls. */
const supervise = async (run: Run): Promise<number> => {
  const { say } = run.options;
  for (let failures = 0; ; failures++) {
    const startedAt = Date.now();
    const envoy = await startEnvoy(run);
    run.stop.pass(envoy, false);
    const watching = new AbortController();
    void announce(run, envoy, watching.signal);
    const ended = await envoy.ended;
    watching.abort();
    if (run.stop.requested) return ended.signal === null ? (ended.code ?? 0) : 0;
    complain(run, ended);
    const steady = Date.now() - startedAt > STEADY;
    if (steady) failures = 0;
    else if (ended.code !== null && failures >= 4) return ended.code === 0 ? 1 : ended.code;
    await run.stop.pause(Math.min(MAX_BACKOFF, 250 * 2 ** failures));
    if (run.stop.requested) return 0;
    say('starting Envoy again');
  }
};

const complain = ({ options }: Run, ended: Ended): void => {
  if (ended.error !== undefined) options.say(`${options.envoy} cannot be started: ${ended.error.message}`);
  else options.say(`Envoy ended by ${ended.signal ?? `itself with code ${ended.code}`}`);
};

const announce = async (run: Run, envoy: Child, signal: AbortSignal): Promise<void> => {
  try {
    await ready(run, envoy, signal);
    run.options.say(`${run.node} is ready, outbound on ${showHostPort(run.options.outbound)}`);
  } catch (error) {
    if (!signal.aborted) run.options.say(messageOf(error));
  }
};

/** Envoy and the command. */
const accompany = async (run: Run): Promise<number> => {
  const { options, stop } = run;
  const envoy = await startEnvoy(run);
  stop.pass(envoy, false);
  try {
    await ready(run, envoy);
  } catch (error) {
    await stopChild(envoy, PATIENCE);
    if (stop.requested) return 130;
    throw error;
  }
  const [program = '', ...args] = options.command;
  const command = startChild(program, args, { stdio: 'inherit', env: withProxy(options) });
  stop.pass(command, true);
  const first = await Promise.race([command.ended, envoy.ended.then(() => undefined)]);
  if (first === undefined) {
    if (!stop.requested) options.say('Envoy ended, and so does the command');
    await stopChild(command, PATIENCE);
    return exitCodeOf(await command.ended) || (stop.requested ? 0 : 1);
  }
  await stopChild(envoy, PATIENCE);
  if (first.error !== undefined) throw new AppError('command_failed', `${program}: ${first.error.message}`);
  return exitCodeOf(first);
};

const withProxy = ({ outbound, env }: SidecarOptions): NodeJS.ProcessEnv => {
  const proxy = `http://${showHostPort(outbound)}`;
  const own = env.no_proxy ?? env.NO_PROXY ?? 'localhost,127.0.0.1,::1';
  return { ...env, http_proxy: proxy, HTTP_PROXY: proxy, no_proxy: own, NO_PROXY: own };
};

/** Envoy's no, and what to do about the usual one: a port that another sidecar or app holds. */
export const refusedBy = (words: string): string => {
  const taken = /cannot bind .*Address already in use/.test(words);
  const advice = ': something else listens there; give this sidecar an --address and an --outbound of its own';
  return `Envoy refused its configuration: ${words}${taken ? advice : ''}`;
};

/** @throws AppError `not_ready`, with what the control plane or Envoy says */
const ready = async ({ options, node, admin, stop }: Run, envoy: Child, signal?: AbortSignal): Promise<void> => {
  const deadline = Date.now() + READY_WITHIN;
  for (let turn = 0; Date.now() < deadline && signal?.aborted !== true; turn++) {
    if (!envoy.running() || stop.requested) throw new AppError('not_ready', 'Envoy ended before it was ready');
    const refused = turn % 5 === 4 ? await options.refusal(node) : undefined;
    if (refused !== undefined) throw new AppError('not_ready', refusedBy(refused));
    // Ready, and nothing refused: a port that another one holds is a refusal of that listener alone.
    if (await envoyIsReady(admin, options.outbound)) {
      const late = await options.refusal(node);
      if (late === undefined) return;
      throw new AppError('not_ready', refusedBy(late));
    }
    await stop.pause(100);
  }
  throw new AppError('not_ready', `Envoy was not ready within ${READY_WITHIN / 1000} s: see its log above`);
};
