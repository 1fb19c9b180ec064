import { AppError } from '../lib/errors.ts';
import type { Store, Write } from '../lib/store.ts';
import type { Duration, Instant } from '../lib/time.ts';
import type { SpiffeId } from '../spiffe/spiffeId.ts';
import type { X509Svid } from '../spiffe/svid.ts';
import type { IssuingAuthority } from './authority.ts';
import { type HeldSvid, type HeldSvids, holdSvids, SVID_PREFIX } from './heldSvids.ts';
import {
  barredKey,
  ISSUED_PREFIX,
  type IssuedCertificate,
  type IssuedLedger,
  issuedLedger,
  issuedTo,
  issuedWrite,
} from './issued.ts';
import { stillServes } from './renewal.ts';
import { type SvidRecord, writeSvid } from './svidRecord.ts';

/** The certificates of all instances: kept over restarts, and issued only when one is due. */
export type SvidKeeper = {
  /**
   * The held certificate if it is the identity's, of this mesh's root, and not due; otherwise a new one, which is stored
   * before it is returned. Calls for one instance at the same time give the same certificate.
   * @throws AppError the authority's or the store's; `invalid_instance` if the name is no node id
   */
  readonly current: (instance: string, id: SpiffeId, ttl: Duration, now: Instant) => Promise<X509Svid>;
  /** A new one, whatever is held. */
  readonly renew: (instance: string, id: SpiffeId, ttl: Duration, now: Instant) => Promise<X509Svid>;
  /** The newest certificate of an instance, whatever is left of it. */
  readonly held: (instance: string) => X509Svid | undefined;
  readonly forget: (instance: string) => Promise<void>;
  /**
   * Drops what had ended at `over`, when it was surely that late, or cannot be used: instances that did not come back. Returns
   * how many, besides the record of what was issued.
   */
  readonly forgetExpired: (over: Instant) => Promise<number>;
  readonly list: () => readonly HeldSvid[];
  /** Every certificate that has not ended, also of instances that were forgotten. */
  readonly live: (now: Instant) => readonly IssuedCertificate[];
  /**
   * Takes from these instances what is held of them and bars them, so that they get nothing until they have joined anew.
   * `commit` is to write that together with why.
   */
  readonly bar: (
    instances: readonly string[],
    now: Instant,
    commit: (writes: readonly Write[]) => Promise<void>,
  ) => Promise<void>;
  /**
   * The instance that a certificate was issued to, by its serial; those that were renewed since count until they end.
   * `undefined` for a serial that is unknown, forgotten or over.
   */
  readonly holderOf: (serial: string, now: Instant) => string | undefined;
};

const PRINTABLE = /^[\x21-\x7e]{1,500}$/;
const THREE_PARTS = /^[^/]*\/[^/]*\/[^/]*$/;

const keyOf = (instance: string): string => {
  if (!PRINTABLE.test(instance) || !THREE_PARTS.test(instance)) {
    throw new AppError(
      'invalid_instance',
      `${JSON.stringify(instance)} is no instance: NAMESPACE/NAME/INSTANCE in printable ASCII`,
    );
  }
  return SVID_PREFIX + instance;
};

/** Runs one task per instance at a time; what is asked for while one runs waits for it. */
const perInstance = () => {
  const tails = new Map<string, Promise<unknown>>();
  return async <T>(instance: string, task: () => Promise<T>): Promise<T> => {
    const before = tails.get(instance);
    const result = before === undefined ? task() : before.then(task, task);
    tails.set(instance, result);
    try {
      return await result;
    } finally {
      if (tails.get(instance) === result) tails.delete(instance);
    }
  };
};

const instanceRevoked = (instance: string): AppError<'instance_revoked'> =>
  new AppError(
    'instance_revoked',
    `${instance} was revoked: it gets no certificate until it has joined with a new token`,
  );

/** What is refused by its serial, or proves an instance by it, is one certificate (RFC 5280 §4.1.2.2). */
const serialTaken = (instance: string, serial: string): AppError<'serial_taken'> =>
  new AppError(
    'serial_taken',
    `the certificate for ${instance} has the serial ${serial}, which another one has that is still known: it is not used; a signer is to give each certificate a serial of its own`,
  );

/**
 * Keeps a certificate and what is to be known of it until it ends.
 * @throws AppError `instance_revoked`, `serial_taken`, or the store's
 */
const storeIssued = async (
  store: Store,
  ledger: IssuedLedger,
  record: SvidRecord,
  issued: IssuedCertificate,
): Promise<void> => {
  const { instance } = issued;
  // Deletes nothing: it only holds while the instance is not barred, whoever bars it in this very moment.
  const unbarred: Write = { key: barredKey(instance), value: undefined, ifRevision: 0 };
  try {
    await store.commit([{ key: keyOf(instance), value: writeSvid(record) }, issuedWrite(issued), unbarred]);
  } catch (error) {
    if (!(error instanceof AppError && error.code === 'conflict')) throw error;
    if (store.get(barredKey(instance)) === undefined && store.get(ISSUED_PREFIX + issued.serial) !== undefined)
      throw serialTaken(instance, issued.serial);
    throw instanceRevoked(instance);
  }
  ledger.add(issued);
  // The store may have written a bar right behind it, before anybody here could see that.
  if (store.get(barredKey(instance)) !== undefined) throw instanceRevoked(instance);
};

const barWrites = (instance: string, now: Instant): readonly Write[] => [
  { key: keyOf(instance), value: undefined },
  { key: barredKey(instance), value: Buffer.from(JSON.stringify({ at: now })) },
];

/** How held certificates are dropped, each in its turn. */
const forgetting = (
  store: Store,
  held: HeldSvids,
  ledger: IssuedLedger,
  inTurn: ReturnType<typeof perInstance>,
): Pick<SvidKeeper, 'forget' | 'forgetExpired'> => {
  const drop = async (instance: string): Promise<void> => {
    await store.commit([{ key: SVID_PREFIX + instance, value: undefined }]);
    held.drop(instance);
  };
  /** Looks again in its turn: the instance may have come back meanwhile. */
  const dropExpired = (instance: string, over: Instant): Promise<boolean> =>
    inTurn(instance, async () => {
      const svid = held.svid(instance);
      if (svid !== undefined && svid.notAfter > over) return false;
      await drop(instance);
      return true;
    });
  return {
    forget: async (instance) => {
      keyOf(instance);
      await inTurn(instance, () => drop(instance));
    },
    forgetExpired: async (over) => {
      const instances = store.list(SVID_PREFIX).map(({ key }) => key.slice(SVID_PREFIX.length));
      const dropped = await Promise.all(instances.map((instance) => dropExpired(instance, over)));
      await ledger.prune(over);
      return dropped.filter(Boolean).length;
    },
  };
};

type Renewing = { readonly id: SpiffeId; readonly ttl: Duration; readonly svid: Promise<X509Svid> };

export type SvidKeeperOptions = {
  readonly store: Store;
  readonly authority: IssuingAuthority;
  readonly now: Instant;
};

/** Reads what the store holds, `now` deciding what of it is still vouched for, and keeps it up to date. */
export const createSvidKeeper = (options: SvidKeeperOptions): SvidKeeper => {
  const { store, authority } = options;
  const held = holdSvids(store, authority, options.now);
  const ledger = issuedLedger(store);
  // Of a Signet that kept no ledger.
  for (const { instance, svid } of held.list()) ledger.add(issuedTo(instance, svid));
  const inTurn = perInstance();
  const renewing = new Map<string, Renewing>();

  const issue = async (instance: string, id: SpiffeId, ttl: Duration, now: Instant): Promise<X509Svid> => {
    const svid = await authority.obtain(id, ttl, now);
    const record = { svid, earlier: held.earlier(instance, now) };
    await storeIssued(store, ledger, record, issuedTo(instance, svid));
    held.put(instance, record);
    return svid;
  };

  /** Whoever asks for a new one while one is made is given that one. */
  const shared = async (instance: string, id: SpiffeId, ttl: Duration, svid: Promise<X509Svid>): Promise<X509Svid> => {
    const mine = { id, ttl, svid };
    renewing.set(instance, mine);
    try {
      return await svid;
    } finally {
      if (renewing.get(instance) === mine) renewing.delete(instance);
    }
  };

  const current: SvidKeeper['current'] = async (instance, id, ttl, now) => {
    keyOf(instance);
    return inTurn(instance, async () => {
      const svid = held.svid(instance);
      const mine = svid?.id === id ? svid : undefined;
      if (mine !== undefined && stillServes(mine, instance, ttl, now) && authority.mayServe(mine)) return mine;
      return shared(instance, id, ttl, issue(instance, id, ttl, now));
    });
  };

  const renew: SvidKeeper['renew'] = async (instance, id, ttl, now) => {
    keyOf(instance);
    const running = renewing.get(instance);
    if (running?.id === id && running.ttl === ttl) return running.svid;
    return shared(
      instance,
      id,
      ttl,
      inTurn(instance, () => issue(instance, id, ttl, now)),
    );
  };

  return Object.freeze({
    current,
    renew,
    ...forgetting(store, held, ledger, inTurn),
    held: (instance: string) => {
      const svid = held.svid(instance);
      return svid !== undefined && authority.mayServe(svid) ? svid : undefined;
    },
    list: held.list,
    live: ledger.live,
    bar: async (instances, now, commit) => {
      await commit(instances.flatMap((instance) => barWrites(instance, now)));
      for (const instance of instances) held.drop(instance);
    },
    holderOf: held.holderOf,
  });
};
