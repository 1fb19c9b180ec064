import type { Duration, Instant } from '../lib/time.ts';
import type { Mesh } from '../model/mesh.ts';
import type { EndpointTable } from '../plan/proxyPlan.ts';
import type { Revoked } from '../plan/revoked.ts';
import type { Clock } from './clock.ts';
import type { Moment } from './planned.ts';

export type MomentsOptions = {
  readonly clock: Clock;
  readonly mesh: () => Mesh;
  readonly endpoints: () => EndpointTable;
  readonly revoked: () => Revoked;
};

/** Plans of those who went are not kept for longer. */
const LONGEST: Duration = 10_000;

/** What is the same for all sidecars. In a storm they come one by one, each with the queue for itself: alike ones share plans all the same. */
export class Moments {
  readonly #options: MomentsOptions;
  #moment: (Moment & { readonly until: Instant }) | undefined;

  constructor(options: MomentsOptions) {
    this.#options = options;
  }

  /** The moment from before while it makes no difference to a plan; `nextChange` is when time alone changes one, as far as is known now. */
  now(nextChange: Instant | undefined): Moment {
    const { clock, endpoints } = this.#options;
    const [now, mesh, revoked] = [clock.now(), this.#options.mesh(), this.#options.revoked()];
    const before = this.#moment;
    const isSame = before !== undefined && before.mesh === mesh && before.revoked === revoked;
    if (isSame && now >= before.now && now < before.until) return before;
    const until = Math.min(now + LONGEST, nextChange ?? Number.POSITIVE_INFINITY);
    this.#moment = { mesh, now, until, endpoints, revoked, plans: new Map() };
    return this.#moment;
  }

  /** Plans are to be made anew, whatever seems to be the same. */
  drop(): void {
    this.#moment = undefined;
  }
}
