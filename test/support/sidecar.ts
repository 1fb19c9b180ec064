import { mkdtemp, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { findEnvoy } from '../../src/app/findEnvoy.ts';
import type { HostPort } from '../../src/lib/hostPort.ts';
import { type EnvoyAdmin, envoyAdmin } from './envoyAdmin.ts';
import { eventually } from './eventually.ts';
import { type Answer, type Call, call } from './http.ts';
import { freePort } from './loopback.ts';
import type { TestMesh } from './mesh.ts';
import { type Running, start } from './processes.ts';

/** A stock Envoy that was started as `signet bootstrap` says. */
export type Sidecar = {
  readonly service: string;
  /** Node id. */
  readonly node: string;
  readonly address: string;
  /** The shared port through which its app calls. */
  readonly outbound: HostPort;
  readonly envoy: EnvoyAdmin;
  readonly process: Running;
  /** A call by its app. */
  readonly call: (options: Call) => Promise<Answer>;
  /** The same, repeated until the answer has this status. For what takes effect a moment later. */
  readonly callUntil: (status: number, options: Call, within?: number) => Promise<Answer>;
  readonly stop: (signal?: NodeJS.Signals) => Promise<void>;
};

export type SidecarOptions = {
  readonly address: string;
  readonly outboundPort?: number;
  /** Where the bootstrap says that the control plane is. */
  readonly xds?: string;
  /** Changes the bootstrap before Envoy reads it. */
  readonly edit?: (bootstrap: Bootstrap) => Bootstrap | Promise<Bootstrap>;
  /** Return without waiting for its configuration. */
  readonly noWait?: boolean;
};

export type Bootstrap = {
  readonly node: { readonly id: string };
  readonly [key: string]: unknown;
};

export type BootstrapPrinted = { readonly bootstrap: Bootstrap; readonly command: readonly string[] };

/** What `signet bootstrap` prints: the file on stdout, the command line to start Envoy with on stderr. */
export const printBootstrap = async (mesh: TestMesh, args: readonly string[]): Promise<BootstrapPrinted> => {
  const { code, stdout, stderr } = await mesh.ask('bootstrap', ...args);
  if (code !== 0) throw new Error(`signet bootstrap ${args.join(' ')} ended with ${code}: ${stderr}`);
  const command = /^.*?(envoy -c .*)$/m.exec(stderr)?.[1]?.trim().split(/\s+/);
  if (command === undefined) throw new Error(`signet bootstrap says no command line on stderr: ${stderr}`);
  return { bootstrap: JSON.parse(stdout), command };
};

// For tests alone: one worker, and counters on disk soon.
const TEST_FLAGS = ['--concurrency', '1', '--file-flush-interval-msec', '200', '-l', 'warning'];

export const startSidecar = async (mesh: TestMesh, service: string, options: SidecarOptions): Promise<Sidecar> => {
  const { address, outboundPort = 15_001, xds, edit } = options;
  const adminPort = await freePort();
  const outbound = { host: address, port: outboundPort };
  const printed = await printBootstrap(mesh, [
    service,
    ...['--address', address, '--outbound', `${address}:${outboundPort}`, '--envoy-admin', String(adminPort)],
    ...(xds === undefined ? [] : ['--xds', xds]),
  ]);
  const bootstrap = (await edit?.(printed.bootstrap)) ?? printed.bootstrap;
  const file = join(await mkdtemp(join(mesh.folder, 'envoy-')), 'envoy.json');
  await writeFile(file, JSON.stringify(bootstrap), { mode: 0o600 });
  const flags = printed.command.slice(1).map((word, i, words) => (words[i - 1] === '-c' ? file : word));
  const process = start(`envoy of ${service} at ${address}`, findEnvoy().path, [...flags, ...TEST_FLAGS]);
  const envoy = envoyAdmin({ host: '127.0.0.1', port: adminPort });
  const sidecar: Sidecar = {
    service,
    node: bootstrap.node.id,
    address,
    outbound,
    envoy,
    process,
    call: (what) => call(outbound, what),
    callUntil: (status, what, within) =>
      eventually(async () => {
        const answer = await call(outbound, what);
        if (answer.status !== status) throw new Error(`status ${answer.status}, not ${status}: ${answer.body}`);
        return answer;
      }, within),
    stop: async (signal) => void (await process.stop(signal)),
  };
  mesh.own(process);
  if (options.noWait !== true) await untilReady(sidecar);
  return sidecar;
};

const untilReady = ({ process, envoy, service }: Sidecar): Promise<void> =>
  eventually(async () => {
    if (process.alive() && !(await envoy.ready())) throw new Error(`the sidecar of ${service} has no configuration`);
  }, 20_000);
