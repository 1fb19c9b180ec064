import { access, chmod, mkdir, readFile, rm, rmdir } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import type { Bootstraps } from '../control/bootstraps.ts';
import { type Clock, every } from '../control/clock.ts';
import type { JoinTokens } from '../control/joinTokens.ts';
import type { Log } from '../control/log.ts';
import { type Secret, secret } from '../lib/secret.ts';
import type { Store } from '../lib/store.ts';
import type { Duration } from '../lib/time.ts';
import type { Mesh, ServiceKey } from '../model/mesh.ts';
import { writeAtomically } from './files.ts';

export type BootstrapFolderOptions = {
  readonly folder: string;
  readonly store: Store;
  readonly bootstraps: Bootstraps;
  readonly tokens: JoinTokens;
  readonly clock: Clock;
  readonly mesh: () => Mesh;
  readonly log: Log;
};

/** For how long a mounted bootstrap may bring new instances; extended long before it ends. */
const TTL: Duration = 30 * 86_400_000;
const LOOK_EVERY: Duration = 3_600_000;
/** How soon a file that was removed is there again: who removed it waits for that. */
const MISSED_AFTER: Duration = 5_000;
const USES = 1_000_000;

const keyOf = (path: string): string => `bootstrap-file/${path}`;

/** `FOLDER/NS/NAME/envoy.json` for every service: each sidecar mounts its own, and none sees another's token. */
export class BootstrapFolder {
  readonly #options: BootstrapFolderOptions;
  #cancel: () => void = () => {};
  #work = Promise.resolve();
  #failed = false;

  constructor(options: BootstrapFolderOptions) {
    this.#options = { ...options, folder: resolve(options.folder) };
  }

  /** @throws AppError `write_failed` */
  async open(): Promise<void> {
    await this.#sync();
    const { clock } = this.#options;
    const cancels = [
      every(clock, LOOK_EVERY, () => this.changed()),
      every(clock, MISSED_AFTER, () => {
        this.#work = this.#work.then(() => this.#restoreRemoved());
      }),
    ];
    this.#cancel = () => {
      for (const cancel of cancels) cancel();
    };
  }

  /** The mesh is another one. */
  changed(): void {
    this.#work = this.#work.then(() => this.#trySync());
  }

  async close(): Promise<void> {
    this.#cancel();
    await this.#work;
  }

  async #trySync(): Promise<void> {
    try {
      await this.#sync();
      this.#failed = false;
    } catch (err) {
      this.#failed = true;
      this.#options.log.error({ err }, 'the bootstraps could not be written');
    }
  }

  /** What cannot be written is not tried, and told, every few seconds. */
  async #restoreRemoved(): Promise<void> {
    if (this.#failed) return;
    for (const service of this.#options.mesh().services.keys())
      if (!(await isThere(this.#path(service)))) return await this.#trySync();
  }

  async #sync(): Promise<void> {
    const { mesh, folder } = this.#options;
    await mkdir(folder, { recursive: true, mode: 0o700 });
    const services = mesh().services;
    // One folder that cannot be written must not cost the others theirs.
    const kept = await Promise.allSettled([...services.keys()].map((service) => this.#keep(service)));
    await this.#dropRemoved((path) => [...services.keys()].some((service) => this.#path(service) === path));
    const failed = kept.find((outcome) => outcome.status === 'rejected');
    if (failed !== undefined) throw failed.reason;
  }

  #path(service: ServiceKey): string {
    return join(this.#options.folder, service, 'envoy.json');
  }

  async #keep(service: ServiceKey): Promise<void> {
    const { bootstraps, tokens, clock, store } = this.#options;
    const path = this.#path(service);
    const before = await readJson(path);
    const held = this.#tokenIn(before, service);
    const instance = /\/([^/]+)$/.exec(nodeOf(before))?.[1];
    if (held !== undefined) {
      const { id, expires } = held.record;
      if (expires - clock.now() < TTL / 2) await tokens.extend(id, clock.now() + TTL);
      const { bootstrap } = bootstraps.write({ service }, held.token, instance);
      if (isDeepStrictEqual(bootstrap, before)) return;
      await writeAtomically(path, `${JSON.stringify(bootstrap, null, 2)}\n`, 0o600);
      return;
    }
    if (this.#wentWithIdentity(before)) {
      const advice = 'the identity was revoked, and this folder lets it back in only once the file is removed';
      this.#options.log.warn({ service, path }, advice);
      return;
    }
    const { token, record } = await bootstraps.createToken(service, TTL, USES);
    await privateFolders(this.#options.folder, dirname(path));
    const { bootstrap } = bootstraps.write({ service }, token);
    await writeAtomically(path, `${JSON.stringify(bootstrap, null, 2)}\n`, 0o600);
    await store.commit([{ key: keyOf(path), value: Buffer.from(record.id) }]);
  }

  /** Whoever holds the folder is who was revoked: a new token would undo that. */
  #wentWithIdentity(file: unknown): boolean {
    const id = /"Bearer signet_([0-9a-f]{16})_/.exec(JSON.stringify(file ?? null))?.[1];
    return id !== undefined && this.#options.tokens.get(id)?.withIdentity === true;
  }

  /** The token of a file that still lets sidecars of this service in. */
  #tokenIn(file: unknown, service: ServiceKey): Held | undefined {
    const text = /"Bearer (signet_[^"]+)"/.exec(JSON.stringify(file ?? null))?.[1];
    if (text === undefined) return undefined;
    const { tokens, clock } = this.#options;
    const proven = tokens.authenticate(`Bearer ${text}`);
    const good = proven.ok && proven.value.service === service && proven.value.expires > clock.now();
    return good ? { token: secret(text), record: proven.value } : undefined;
  }

  /** Only what Signet wrote is removed, and its token with it. */
  async #dropRemoved(kept: (path: string) => boolean): Promise<void> {
    const { store, tokens, clock, folder } = this.#options;
    for (const { key, value } of store.list(keyOf(`${folder}/`))) {
      const path = key.slice(keyOf('').length);
      if (kept(path)) continue;
      await rm(path, { force: true });
      await removeEmpty(dirname(path), dirname(dirname(path)));
      await tokens.revoke(Buffer.from(value).toString(), clock.now());
      await store.commit([{ key, value: undefined }]);
    }
  }
}

type Held = { readonly token: Secret; readonly record: { readonly id: string; readonly expires: number } };

const isThere = (path: string): Promise<boolean> =>
  access(path).then(
    () => true,
    () => false,
  );

const readJson = async (path: string): Promise<unknown> => {
  try {
    return JSON.parse(await readFile(path, 'utf8'));
  } catch {
    return undefined; // none, or none that can be read: a new one is written
  }
};

const nodeOf = (file: unknown): string =>
  typeof file === 'object' && file !== null && 'node' in file && typeof file.node === 'object' && file.node !== null
    ? String((file.node as { readonly id?: unknown }).id ?? '')
    : '';

const privateFolders = async (folder: string, below: string): Promise<void> => {
  const made = await mkdir(below, { recursive: true, mode: 0o700 });
  if (made?.startsWith(folder)) await chmod(below, 0o700);
};

const removeEmpty = async (...folders: readonly string[]): Promise<void> => {
  for (const folder of folders) {
    try {
      await rmdir(folder);
    } catch {
      return; // not empty: others keep things there
    }
  }
};
