import { AppError, messageOf } from '../lib/errors.ts';
import type { Store, Write } from '../lib/store.ts';
import type { Instant } from '../lib/time.ts';
import type { TrustDomain } from '../spiffe/spiffeId.ts';
import type { Named } from './names.ts';
import type { DocumentForm } from './state.ts';

type Numbered = { readonly generation: number };

/** One line of the journal, written in the same commit as the generation that it tells of. */
export type JournalLine = {
  readonly at: Instant;
  readonly what: string;
  readonly from: number;
  readonly to: number;
};

/** Journal lines that are kept: years of renewals and rotations. */
const JOURNAL_LINES = 1000;

export const previousKey = (key: string): string => `${key}/previous`;
const journalPrefix = (key: string): string => key.replace('ca/', 'ca/journal/');
const journalKey = (key: string, generation: number): string =>
  `${journalPrefix(key)}/${`${generation}`.padStart(10, '0')}`;

/** The newest generation that the journal tells of; 0 before the first line. */
const journalEnd = (store: Store, key: string): number =>
  Number(
    store
      .list(`${journalPrefix(key)}/`)
      .at(-1)
      ?.key.slice(-10) ?? 0,
  );

/** What happened to a document, oldest first. */
export const readJournal = (store: Store, key: string): readonly JournalLine[] =>
  store.list(`${journalPrefix(key)}/`).map(({ value }) => JSON.parse(Buffer.from(value).toString('utf8')));

const corrupt = (store: Store, key: string, what: string): AppError<'ca_corrupt'> => {
  const restore =
    store.get(previousKey(key)) === undefined
      ? 'put'
      : 'return to the generation before it with signet ca restore while Signet is stopped, or put';
  return new AppError(
    'ca_corrupt',
    `the certificate authority in the store (${key}) cannot be used: ${what}; ${restore} a backup of the data directory back, or name an empty one with --data to begin a new mesh with new roots`,
  );
};

/** All writes of one step: the new generation, the one before it, and the journal's line. */
const stepWrites = <S extends Numbered>(
  store: Store,
  form: DocumentForm<S>,
  { before, state, line }: { readonly before: S | undefined; readonly state: S; readonly line: JournalLine },
  revision = store.get(form.key)?.revision ?? 0,
): readonly Write[] => {
  const { key } = form;
  const value = form.write(state);
  // As it lies there, byte for byte, unless a key in it dies with this step.
  const previous = before !== undefined && form.destroysKeys(before, state) ? value : store.get(key)?.value;
  return [
    // Guarded: if somebody else changed it since it was read, this whole step fails.
    { key, value, ifRevision: revision },
    ...(previous === undefined ? [] : [{ key: previousKey(key), value: previous }]),
    { key: journalKey(key, line.to), value: Buffer.from(JSON.stringify(line)) },
    ...(line.to > JOURNAL_LINES ? [{ key: journalKey(key, line.to - JOURNAL_LINES), value: undefined }] : []),
  ];
};

/** The writes that begin a document. */
export const firstWrites = <S extends Numbered>(
  store: Store,
  form: DocumentForm<S>,
  state: S,
  at: Instant,
): readonly Write[] =>
  stepWrites(store, form, { before: undefined, state, line: { at, what: 'made', from: 0, to: state.generation } });

/**
 * The document that the store holds, every certificate held against its key and its issuer. `accepts`: which trust domains
 * it may be of, the mesh's own first.
 * @throws AppError `ca_corrupt` or `ca_foreign`; neither changes anything
 */
export const readDocument = <S extends Numbered>(
  store: Store,
  form: DocumentForm<S>,
  accepts: readonly TrustDomain[],
): S => {
  const { key } = form;
  const entry = store.get(key);
  if (entry === undefined) throw corrupt(store, key, 'it is missing, while something that it made is there');
  let state: S;
  try {
    state = form.read(entry.value, accepts);
  } catch (thrown) {
    throw thrown instanceof AppError && thrown.code === 'ca_foreign' ? thrown : corrupt(store, key, messageOf(thrown));
  }
  const told = journalEnd(store, key);
  if (told > 0 && told !== state.generation)
    throw corrupt(store, key, `it is generation ${state.generation} and its journal ends at ${told}`);
  return state;
};

/**
 * Whether anything of an authority is there. A store that has lost a part of it is no first start: new roots are never
 * made silently.
 */
export const isBegun = (store: Store): boolean => store.list('ca/').length > 0 || store.list('svid/').length > 0;

/** A document in use. What is changed is committed before `state` gives it. */
export type CaDocument<S> = {
  readonly state: () => S;
  /**
   * One step after the other: `next` is given the newest state, and its result is used when it is on the disk.
   * @throws whatever `next` throws, and the store's; nothing is changed then
   */
  readonly change: (what: string, next: (state: S) => S, now: Instant) => Promise<void>;
  /** Swaps this generation and the one before it. @throws AppError `ca_corrupt`, `ca_foreign`, `rotation_refused` */
  readonly restorePrevious: (now: Instant) => Promise<void>;
};

/** The generation before, made the newest one. */
const restoreStep = <S extends Numbered & Named>(
  store: Store,
  form: DocumentForm<S>,
  accepts: readonly TrustDomain[],
  now: Instant,
): { readonly state: S; readonly writes: readonly Write[] } => {
  const { key } = form;
  const stored = store.get(previousKey(key));
  if (stored === undefined)
    throw new AppError('ca_nothing_before', `there is no generation before this one (${key}): put a backup back`);
  const present = presentOf(store, form, accepts);
  let previous: S;
  try {
    // It may be from before a rename, which is made again then.
    previous = form.read(stored.value, [...accepts, ...(present?.formerly ?? [])]);
  } catch (thrown) {
    if (thrown instanceof AppError && thrown.code === 'ca_foreign') throw thrown;
    throw corrupt(store, previousKey(key), messageOf(thrown));
  }
  if (present?.generation === previous.generation)
    throw new AppError(
      'rotation_refused',
      `generation ${present.generation} (${key}) has none before it: that one held keys of a compromised CA, and nobody may return to it`,
    );
  const from = Math.max(present?.generation ?? 0, previous.generation, journalEnd(store, key));
  const state: S = { ...form.restored(previous, present), generation: from + 1 };
  const line = { at: now, what: `restored generation ${previous.generation}`, from, to: from + 1 };
  return { state, writes: stepWrites(store, form, { before: present, state, line }) };
};

/** `undefined` if it cannot be read: that is what restoring is for. */
const presentOf = <S>(store: Store, form: DocumentForm<S>, accepts: readonly TrustDomain[]) => {
  try {
    return form.read(store.get(form.key)?.value ?? Buffer.alloc(0), accepts);
  } catch {
    return undefined;
  }
};

/**
 * Returns a document that cannot be read to the generation before it, without opening it.
 * @throws AppError `ca_nothing_before`, `ca_corrupt`, `ca_foreign`, `rotation_refused`, or the store's
 */
export const restoreDocument = async <S extends Numbered & Named>(
  store: Store,
  form: DocumentForm<S>,
  accepts: readonly TrustDomain[],
  now: Instant,
): Promise<void> => store.commit(restoreStep(store, form, accepts, now).writes);

/** A document whose `first` state was read or made; from here on it changes by guarded commits only. */
export const caDocument = <S extends Numbered & Named>(
  store: Store,
  form: DocumentForm<S>,
  accepts: () => readonly TrustDomain[],
  first: S,
): CaDocument<S> => {
  const revisionNow = (): number => store.get(form.key)?.revision ?? 0;
  let state = first;
  let revision = revisionNow();
  let last: Promise<unknown> = Promise.resolve();
  const inTurn = (step: () => { readonly state: S; readonly writes: readonly Write[] } | undefined): Promise<void> => {
    const done = last.then(async () => {
      const next = step();
      if (next === undefined) return;
      await store.commit(next.writes);
      state = Object.freeze(next.state);
      revision = revisionNow();
    });
    last = done.catch(() => undefined);
    return done;
  };
  return Object.freeze({
    state: () => state,
    change: (what: string, next: (state: S) => S, now: Instant) =>
      inTurn(() => {
        const changed = next(state);
        if (changed === state) return undefined;
        const numbered: S = { ...changed, generation: state.generation + 1 };
        const line = { at: now, what, from: state.generation, to: numbered.generation };
        return { state: numbered, writes: stepWrites(store, form, { before: state, state: numbered, line }, revision) };
      }),
    restorePrevious: (now: Instant) => inTurn(() => restoreStep(store, form, accepts(), now)),
  });
};
