import { AppError } from '../lib/errors.ts';
import type { Store } from '../lib/store.ts';
import type { Duration, Instant } from '../lib/time.ts';
import type { SpiffeId } from '../spiffe/spiffeId.ts';
import type { X509Svid } from '../spiffe/svid.ts';
import type { IssuingAuthority } from './authority.ts';
import { type HeldSvid, holdSvids, SVID_PREFIX } from './heldSvids.ts';
import { orMeanwhile } from './meanwhile.ts';
import { stillServes } from './renewal.ts';
import { writeSvid } from './svidRecord.ts';

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
  readonly forget: (instance: string) => Promise<void>;
  /** Drops what has expired or cannot be used: instances that did not come back. Returns how many. */
  readonly forgetExpired: (now: Instant) => Promise<number>;
  readonly list: () => readonly HeldSvid[];
  /**
   * The instance that a certificate was issued to, by its serial; those that were renewed since count until they end.
   * `undefined` for a serial that is unknown, forgotten or over.
   */
  readonly holderOf: (serial: string, now: Instant) => string | undefined;
};

const keyOf = (instance: string): string => {
  if (!/^[\x21-\x7e]{1,500}$/.test(instance) || instance.split('/').length !== 3) {
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

/** A signer outside may be slow, and whoever has a good certificate is not to wait for it with policy. */
const PATIENCE: Duration = 500;

const ofIdentity = (svid: X509Svid | undefined, id: SpiffeId): X509Svid | undefined =>
  svid?.id === id ? svid : undefined;
const isValid = ({ notBefore, notAfter }: X509Svid, now: Instant): boolean => notBefore <= now && now < notAfter;

type Renewing = { readonly id: SpiffeId; readonly ttl: Duration; readonly svid: Promise<X509Svid> };

export type SvidKeeperOptions = {
  readonly store: Store;
  readonly authority: IssuingAuthority;
  readonly now: Instant;
  /**
   * Told when a renewal failed; `current` then goes on with the held certificate while that is valid, so that a full disk
   * does not hold back policy too, and neither does a slow signer: after half a second the held one is given meanwhile. Without it every failure is thrown, because a renewal must not fail silently.
   */
  readonly onFailure?: (instance: string, why: unknown) => void;
};

/** Reads what the store holds, `now` deciding what of it is still vouched for, and keeps it up to date. */
export const createSvidKeeper = (options: SvidKeeperOptions): SvidKeeper => {
  const { store, authority, onFailure } = options;
  const held = holdSvids(store, authority, options.now);
  const inTurn = perInstance();
  const renewing = new Map<string, Renewing>();

  const issue = async (instance: string, id: SpiffeId, ttl: Duration, now: Instant): Promise<X509Svid> => {
    const svid = await authority.obtain(id, ttl, now);
    const record = { svid, earlier: held.earlier(instance, now) };
    await store.commit([{ key: keyOf(instance), value: writeSvid(record) }]);
    held.put(instance, record);
    return svid;
  };

  const current: SvidKeeper['current'] = async (instance, id, ttl, now) => {
    keyOf(instance);
    const before = ofIdentity(held.svid(instance), id);
    const done = inTurn(instance, async () => {
      const mine = ofIdentity(held.svid(instance), id);
      if (mine !== undefined && stillServes(mine, instance, ttl, now) && authority.mayServe(mine)) return mine;
      try {
        return await issue(instance, id, ttl, now);
      } catch (why) {
        if (onFailure === undefined || mine === undefined || !isValid(mine, now)) throw why;
        onFailure(instance, why);
        return mine;
      }
    });
    if (before === undefined || onFailure === undefined || !isValid(before, now)) return done;
    return authority.mayServe(before) ? orMeanwhile(done, before, PATIENCE) : done;
  };

  const renew: SvidKeeper['renew'] = async (instance, id, ttl, now) => {
    keyOf(instance);
    const running = renewing.get(instance);
    if (running?.id === id && running.ttl === ttl) return running.svid;
    const svid = inTurn(instance, () => issue(instance, id, ttl, now));
    const mine = { id, ttl, svid };
    renewing.set(instance, mine);
    try {
      return await svid;
    } finally {
      if (renewing.get(instance) === mine) renewing.delete(instance);
    }
  };

  const drop = async (instance: string): Promise<void> => {
    await store.commit([{ key: SVID_PREFIX + instance, value: undefined }]);
    held.drop(instance);
  };

  /** Looks again in its turn: the instance may have come back meanwhile. */
  const dropExpired = (instance: string, now: Instant): Promise<boolean> =>
    inTurn(instance, async () => {
      if ((held.svid(instance)?.notAfter ?? 0) > now) return false;
      await drop(instance);
      return true;
    });

  return Object.freeze({
    current,
    renew,
    forget: async (instance: string): Promise<void> => {
      keyOf(instance);
      await inTurn(instance, () => drop(instance));
    },
    forgetExpired: async (now: Instant): Promise<number> => {
      const instances = store.list(SVID_PREFIX).map(({ key }) => key.slice(SVID_PREFIX.length));
      const dropped = await Promise.all(instances.map((instance) => dropExpired(instance, now)));
      return dropped.filter(Boolean).length;
    },
    list: held.list,
    holderOf: held.holderOf,
  });
};
