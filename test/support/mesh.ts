import { mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type HostPort, showHostPort } from '../../src/lib/hostPort.ts';
import { eventually } from './eventually.ts';
import { type Answer, call } from './http.ts';
import type { Done, Running } from './processes.ts';
import { runSignet, runSignetHere, startSignet } from './signet.ts';

/** A running `signet serve` with a folder, a mesh.yaml and addresses of its own. */
export type TestMesh = {
  readonly folder: string;
  readonly file: string;
  readonly data: string;
  readonly xds: HostPort;
  readonly admin: HostPort;
  /** Runs a command against it, in its folder. */
  readonly signet: (...args: readonly string[]) => Promise<Done>;
  /** The same without a process of its own: for what is asked often, and is not what the test is about. */
  readonly ask: (...args: readonly string[]) => Promise<Done>;
  /** The same for one that must succeed and prints JSON. */
  readonly json: (...args: readonly string[]) => Promise<unknown>;
  readonly status: () => Promise<StatusPrinted>;
  /** Asks the admin API. */
  readonly api: (path: string) => Promise<Answer>;
  /** Saves mesh.yaml as editors do: a new file that takes the old one's place. */
  readonly save: (text: string) => Promise<void>;
  /** Saves in place. */
  readonly overwrite: (text: string) => Promise<void>;
  readonly server: () => Running;
  /** Starts `signet serve` (again), with other `args` if they are said, and waits until it is ready. */
  readonly start: (args?: readonly string[]) => Promise<void>;
  readonly kill: () => Promise<void>;
  /** To be ended with this mesh. */
  readonly own: (process: Running) => void;
  readonly processes: () => readonly Running[];
  readonly stop: () => Promise<void>;
};

/** The part of `signet status -o json` that the contract names. */
export type StatusPrinted = {
  readonly sidecars: readonly {
    readonly node: string;
    readonly service: string;
    readonly address: string;
    readonly connectedSince: string;
    readonly types: Readonly<Record<string, TypePrinted>>;
    readonly certificate: { readonly serial: string; readonly notAfter: string } | null;
  }[];
};

type TypePrinted = {
  readonly sent: string | null;
  readonly acked: string | null;
  readonly nacked: string | null;
  readonly error: string | null;
};

/** Starts a control plane for this file on an address of its own; `args` go to `signet serve`, which runs in its folder. */
export const startMesh = async (host: string, yaml: string, args: readonly string[] = []): Promise<TestMesh> => {
  const folder = await mkdtemp(join(tmpdir(), 'signet-e2e-'));
  const [file, data] = [join(folder, 'mesh.yaml'), join(folder, 'data')];
  const [xds, admin] = [
    { host, port: 18_000 },
    { host, port: 18_001 },
  ];
  const owned: Running[] = [];
  const env = { SIGNET_SERVER: `http://${showHostPort(admin)}`, SIGNET_ADMIN_TOKEN_FILE: join(data, 'admin.token') };
  const signet = (...args: readonly string[]): Promise<Done> => runSignet(args, { cwd: folder, env });
  const ask = (...args: readonly string[]): Promise<Done> => runSignetHere(args, env);
  const json = async (...args: readonly string[]): Promise<unknown> => {
    const { code, stdout, stderr } = await ask(...args, '-o', 'json');
    if (code !== 0) throw new Error(`signet ${args.join(' ')} ended with ${code}: ${stderr}`);
    return JSON.parse(stdout);
  };
  let server: Running | undefined;
  const serverOrThrow = (): Running => {
    if (server === undefined) throw new Error('signet serve was not started');
    return server;
  };
  const serve = async (more: readonly string[] = args): Promise<void> => {
    const places = ['--data', data, '--xds', showHostPort(xds), '--admin', showHostPort(admin)];
    server = startSignet('signet serve', ['serve', '--config', file, ...places, ...more], { cwd: folder });
    owned.push(server);
    await eventually(async () => {
      if (!serverOrThrow().alive()) return;
      const { status } = await call(admin, { path: '/readyz', timeout: 2_000 });
      if (status !== 200) throw new Error(`/readyz answers ${status}`);
    }, 20_000);
    if (!serverOrThrow().alive()) throw new Error(`signet serve ended: ${serverOrThrow().stderr()}`);
  };
  const overwrite = (text: string): Promise<void> => writeFile(file, text);
  await overwrite(yaml);
  const mesh: TestMesh = {
    folder,
    file,
    data,
    xds,
    admin,
    signet,
    ask,
    json,
    status: async () => (await json('status')) as StatusPrinted,
    api: async (path) => {
      const token = (await readFile(env.SIGNET_ADMIN_TOKEN_FILE, 'utf8')).trim();
      return await call(admin, { path, headers: { authorization: `Bearer ${token}` } });
    },
    save: async (text) => {
      const next = `${file}.new`;
      await writeFile(next, text);
      await rename(next, file);
    },
    overwrite,
    server: serverOrThrow,
    start: serve,
    kill: async () => void (await serverOrThrow().stop('SIGKILL')),
    own: (process) => void owned.push(process),
    processes: () => owned,
    stop: async () => {
      await Promise.all(owned.filter((process) => process !== server).map((process) => process.stop()));
      await server?.stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
  try {
    await serve();
  } catch (error) {
    await mesh.stop();
    throw error;
  }
  return mesh;
};
