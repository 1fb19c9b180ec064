import { AppError, messageOf } from '../../lib/errors.ts';
import type { Duration, Instant } from '../../lib/time.ts';
import type { RemoteSigner, SignerQueue, SignerStatus } from './remoteSigner.ts';

/** Asked at the same time, and at most so often: an enterprise's CA has other clients. */
const AT_ONCE = 4;
const PER_SECOND = 20;
/** After a failure nobody asks for this long, doubled with each one that follows. */
const FIRST_PAUSE: Duration = 1_000;
const LONGEST_PAUSE: Duration = 60_000;

/** Lets so many in at once and so many a second, in the order in which they came. */
const turns = (clock: { readonly now: () => Instant; readonly wait: (delay: Duration) => Promise<void> }) => {
  let inside = 0;
  let next: Instant = 0;
  const waiting: (() => void)[] = [];
  return {
    enter: async (): Promise<void> => {
      if (inside >= AT_ONCE) await new Promise<void>((resolve) => waiting.push(resolve));
      else inside += 1;
      const now = clock.now();
      // A clock that was set back must not make anybody wait for it to come around again.
      if (next > now + AT_ONCE * 1000) next = now;
      const at = Math.max(next, now);
      next = at + 1000 / PER_SECOND;
      if (at > now) await clock.wait(at - now);
    },
    leave: (): void => {
      const after = waiting.shift();
      if (after === undefined) inside -= 1;
      else after();
    },
  };
};

type Away = NonNullable<SignerStatus['away']>;

/**
 * The queue before a signer: bounded, in turn, and quiet for a while after a failure, so that a thousand sidecars do not
 * ask a thousand times for what just failed.
 */
export const signerQueue = (
  remote: RemoteSigner,
  clock: { readonly now: () => Instant; readonly wait: (delay: Duration) => Promise<void> },
  told: (away: Away | undefined) => void,
): SignerQueue => {
  const { enter, leave } = turns(clock);
  let away: Away | undefined;
  let failures = 0;
  let [asked, failed] = [0, 0];
  const refuseWhileAway = (): void => {
    const now = clock.now();
    if (away === undefined || now >= away.askedAgainAt || now < away.since) return;
    throw new AppError(
      'signer_away',
      `${remote.name} is asked again in ${Math.ceil((away.askedAgainAt - now) / 1000)} s, because it failed: ${away.why}`,
    );
  };
  const noteFailure = (why: string): void => {
    const now = clock.now();
    const pause = Math.min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** Math.min(failures, 10));
    failures += 1;
    failed += 1;
    const begins = away === undefined;
    away = { since: away?.since ?? now, why, askedAgainAt: now + pause };
    if (begins) told(away);
  };
  const noteSuccess = (): void => {
    failures = 0;
    if (away !== undefined) told(undefined);
    away = undefined;
  };
  return Object.freeze({
    origin: remote.origin,
    ask: async (what, judge) => {
      refuseWhileAway();
      await enter();
      try {
        // It may have failed for somebody else while this one waited.
        refuseWhileAway();
        asked += 1;
        try {
          const result = await judge(await remote.sign(what), clock.now());
          noteSuccess();
          return result;
        } catch (thrown) {
          noteFailure(messageOf(thrown));
          throw new AppError('signer_failed', `${remote.name}: ${messageOf(thrown)}`, { cause: thrown });
        }
      } finally {
        leave();
      }
    },
    status: () => ({ name: remote.name, away, asked, failed }),
  } satisfies SignerQueue);
};
