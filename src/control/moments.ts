import type { Duration, Instant } from '../lib/time.ts';
import type { Mesh } from '../model/mesh.ts';
import { nextChange } from '../plan/nextChange.ts';
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

/** When time alone changes a plan, as it was found out when the moment began; and when the moment ends. */
type Ending = { readonly nextChange: Instant | undefined; readonly until: Instant };

/** What is the same for all sidecars. In a storm they come one by one, each with the queue for itself: alike ones share plans all the same. */
export class Moments {
  readonly #options: MomentsOptions;
  #moment: (Moment & Ending) | undefined;

  constructor(options: MomentsOptions) {
    this.#options = options;
  }

  /** The moment from before while it makes no difference to a plan. Where the clock was set back, what was over may come once more. */
  now(): Moment & Ending {
    const { clock, endpoints } = this.#options;
    const [now, mesh, revoked] = [clock.now(), this.#options.mesh(), this.#options.revoked()];
    const before = this.#moment;
    const isSame = before !== undefined && before.mesh === mesh && before.revoked === revoked;
    if (isSame && now >= before.now && now < before.until) return before;
    const next = nextChange(mesh, now);
    const until = Math.min(now + LONGEST, next ?? Number.POSITIVE_INFINITY);
    this.#moment = { mesh, now, nextChange: next, until, endpoints, revoked, plans: new Map() };
    return this.#moment;
  }

  /** Plans are to be made anew, whatever seems to be the same. */
  drop(): void {
    this.#moment = undefined;
  }
}
