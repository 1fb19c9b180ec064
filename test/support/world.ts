import { messageOf } from '../../src/lib/errors.ts';
import type { Call } from './http.ts';
import { type Load, type LoadOptions, startLoad } from './load.ts';
import { claimLoopback, type Loopback } from './loopback.ts';
import { startMesh, type TestMesh } from './mesh.ts';
import { type Sidecar, type SidecarOptions, startSidecar } from './sidecar.ts';

/** What one test file starts; all of it is gone when the file is done, passed or not. */
export type World = {
  /** `127.X.0.LAST` in a part of loopback that is this file's alone. */
  readonly address: (last: number) => string;
  /** A control plane of its own; `args` go to `signet serve`. */
  readonly mesh: (yaml: string, args?: readonly string[]) => Promise<TestMesh>;
  /** A sidecar on the first free address, or where `options` say. */
  readonly sidecar: (mesh: TestMesh, service: string, options?: Partial<SidecarOptions>) => Promise<Sidecar>;
  /** Several at once. */
  readonly sidecars: <const S extends readonly string[]>(
    mesh: TestMesh,
    ...services: S
  ) => Promise<{ readonly [K in keyof S]: Sidecar }>;
  /** Calls by the app of this sidecar, until they are stopped. */
  readonly load: (sidecar: Sidecar | undefined, what: Call, options?: LoadOptions) => Load;
  /** Stops it at the end. */
  readonly own: <T extends { readonly stop: () => Promise<unknown> }>(thing: T) => T;
};

const LOG_TAIL = 6_000;

/** Hooks for one `describe`: call it at its top. */
export const useWorld = (): World => {
  const things: { readonly stop: () => Promise<unknown> }[] = [];
  const meshes: TestMesh[] = [];
  let loopback: Loopback | undefined;
  let next = 10;
  const place = (): Loopback => {
    if (loopback === undefined) throw new Error('only inside hooks and tests');
    return loopback;
  };

  before(async () => {
    loopback = await claimLoopback();
  });

  after('end every process', async function () {
    this.timeout(40_000);
    const failed = this.test?.parent?.tests.some(({ state, pending }) => state !== 'passed' && !pending) ?? false;
    if (failed) dumpLogs(meshes);
    const outcomes = await Promise.allSettled(things.reverse().map((thing) => thing.stop()));
    await loopback?.release();
    const errors = outcomes.flatMap((outcome) => (outcome.status === 'rejected' ? [messageOf(outcome.reason)] : []));
    if (errors.length > 0) throw new Error(errors.join('; '));
  });

  const own: World['own'] = (thing) => {
    things.push(thing);
    return thing;
  };
  const sidecar: World['sidecar'] = (mesh, service, options) =>
    startSidecar(mesh, service, { address: place().address(next++), ...options });
  return {
    address: (last) => place().address(last),
    mesh: async (yaml, args) => {
      const mesh = own(await startMesh(place().address(1 + meshes.length), yaml, args));
      meshes.push(mesh);
      return mesh;
    },
    sidecar,
    sidecars: async <const S extends readonly string[]>(mesh: TestMesh, ...services: S) => {
      const started = await Promise.all(services.map((service) => sidecar(mesh, service)));
      return started as { readonly [K in keyof S]: Sidecar };
    },
    load: (from, what, options) => {
      if (from === undefined) throw new Error('this sidecar was not started');
      return own(startLoad(from.outbound, what, options));
    },
    own,
  };
};

const dumpLogs = (meshes: readonly TestMesh[]): void => {
  for (const { name, stdout, stderr } of meshes.flatMap((mesh) => mesh.processes())) {
    const text = `${stdout()}\n${stderr()}`.trim();
    if (text !== '') console.error(`--- ${name}\n${text.slice(-LOG_TAIL)}`);
  }
};
