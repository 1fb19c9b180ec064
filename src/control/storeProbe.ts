import type { Store } from '../lib/store.ts';
import type { Duration, Instant } from '../lib/time.ts';
import type { Clock } from './clock.ts';
import { encodeJson, PROBE_KEY } from './keys.ts';

/** Anybody may ask whether Signet is ready: the disk is asked no more often than this. */
const ASK_AGAIN: Duration = 5_000;

/**
 * Whether the store takes writes. Without it no sidecar can join or come back, although all that is connected goes on. The answer is
 * that of a real write, at most 5 s old, so it turns good again by itself when the disk does.
 */
export const newStoreProbe = (store: Store, clock: Clock): (() => Promise<boolean>) => {
  let asked: { readonly at: Instant; readonly answer: Promise<boolean> } | undefined;
  return () => {
    const now = clock.now();
    if (asked === undefined || now < asked.at || now - asked.at >= ASK_AGAIN) {
      const answer = store.commit([{ key: PROBE_KEY, value: encodeJson({ at: now }) }]).then(
        () => true,
        () => false,
      );
      asked = { at: now, answer };
    }
    return asked.answer;
  };
};
