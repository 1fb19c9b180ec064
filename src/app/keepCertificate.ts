import { renewalTime } from '../ca/renewal.ts';
import type { Clock } from '../control/clock.ts';
import { AppError, messageOf } from '../lib/errors.ts';
import type { Duration, Instant } from '../lib/time.ts';
import { writeCertificate } from './certificateFolder.ts';
import { type ClientSvid, fetchSvid, type Join } from './fetchSvid.ts';

export type KeepOptions = {
  readonly folder: string;
  readonly node: string;
  readonly join: Join;
  readonly say: (sentence: string) => void;
  readonly clock: Clock;
  /** Asked now and then: whether there is a reason to ask for another one before this one is due. */
  readonly isOutdated?: (held: ClientSvid) => Promise<boolean>;
};

export type KeptCertificate = {
  /** Renews no more; resolves when nothing is under way. */
  readonly close: () => Promise<void>;
};

const BACKOFF: Duration = 500;
const MAX_BACKOFF: Duration = 10_000;
/** A clock that is set forward, or a machine that slept, is noticed within this. */
const LOOK_EVERY: Duration = 30_000;
/** The same, where Envoy says what it holds. */
const ASK_EVERY: Duration = 10_000;
/** Where the control plane gives the same certificate again (its clock is behind), it is asked again after this share of its life. */
const AGAIN = 0.05;

/**
 * Exchanges a join token for a client certificate in `folder`, and renews it there from then on: at the moment when the
 * control plane renews it, too, which leaves at least 40 % of its life for trouble. Renewals show the certificate; the
 * token stays in memory for the time after an outage that outlasted it.
 * @throws AppError if there is no first one: a `FetchFailure`, or `write_failed`
 */
export const keepCertificate = async (options: KeepOptions): Promise<KeptCertificate> => {
  const { folder, node, join, say, clock, isOutdated } = options;
  let held = await fetchSvid(join, node, join.token);
  await writeCertificate(folder, held);
  let failures = 0;
  let closed = false;
  let cancel = (): void => {};
  let work = Promise.resolve();

  const renew = async (): Promise<Instant> => {
    const now = clock.now();
    try {
      const next = await fetchNext(options, held);
      await writeCertificate(folder, next);
      if (failures > 0) say('the client certificate is renewed again');
      failures = 0;
      const same = next.serial === held.serial;
      held = next;
      return same ? now + (held.notAfter - now) * AGAIN : renewalTime(held, node);
    } catch (error) {
      if (failures === 0) say(`the client certificate is not renewed, which is tried on: ${messageOf(error)}`);
      const backoff = Math.min(MAX_BACKOFF, BACKOFF * 2 ** failures);
      failures++;
      return now + backoff * (0.5 + Math.random() / 2);
    }
  };
  /** Before it is due: what fails here is no trouble, and is tried again when there is a reason, or when it is due. */
  const renewEarly = async (at: Instant): Promise<Instant> => {
    try {
      if (isOutdated === undefined || !(await isOutdated(held))) return at;
      const next = await fetchNext(options, held);
      if (next.serial === held.serial) return at;
      await writeCertificate(folder, next);
      held = next;
      return renewalTime(held, node);
    } catch {
      return at;
    }
  };
  const later = (at: Instant): void => {
    if (closed) return;
    const longest = isOutdated === undefined ? LOOK_EVERY : ASK_EVERY;
    const wait = Math.min(Math.max(at - clock.now(), BACKOFF), longest);
    cancel = clock.after(wait, () => {
      work = (clock.now() < at ? renewEarly(at) : renew()).then(later);
    });
  };
  later(renewalTime(held, node));
  return {
    close: async () => {
      closed = true;
      cancel();
      await work;
    },
  };
};

/** With the certificate while it is good; else, or if it is good no more, with the token. */
const fetchNext = async ({ join, node, clock }: KeepOptions, held: ClientSvid): Promise<ClientSvid> => {
  if (clock.now() >= held.notAfter) return fetchSvid(join, node, join.token);
  try {
    return await fetchSvid(join, node, held);
  } catch (error) {
    if (!(error instanceof AppError) || error.code !== 'unauthenticated') throw error;
    return fetchSvid(join, node, join.token);
  }
};
