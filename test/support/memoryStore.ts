import { AppError } from '../../src/lib/errors.ts';
import type { Entry, Store, Write } from '../../src/store/store.ts';

/** A store with the behaviour of the real one and no disk: revisions, guarded commits, all or nothing. */
export class MemoryStore implements Store {
  readonly #entries = new Map<string, Entry>();
  #revision = 0;
  /** While set, the disk refuses. */
  broken = false;

  readonly get = (key: string): Entry | undefined => this.#entries.get(key);

  readonly list = (prefix: string): readonly Entry[] =>
    [...this.#entries.values()].filter(({ key }) => key.startsWith(prefix)).sort((a, b) => (a.key < b.key ? -1 : 1));

  readonly commit = async (writes: readonly Write[]): Promise<void> => {
    await Promise.resolve();
    if (this.broken) throw new AppError('store_unavailable', 'the disk refuses');
    for (const { key, ifRevision } of writes) {
      if (ifRevision !== undefined && (this.#entries.get(key)?.revision ?? 0) !== ifRevision) {
        throw new AppError('conflict', `${key} is at another revision`);
      }
    }
    this.#revision++;
    for (const { key, value } of writes) {
      if (value === undefined) this.#entries.delete(key);
      else this.#entries.set(key, { key, value, revision: this.#revision });
    }
  };

  readonly close = async (): Promise<void> => {};
}
