import type { Instant } from '../lib/time.ts';
import type { Mesh, Service } from '../model/mesh.ts';
import { changesOf } from '../plan/nextChange.ts';
import type { Urgency } from './workQueue.ts';

/**
 * How urgent another mesh or moment is for the sidecars of one service: `security` if the service itself is another one
 * (its policy, mTLS, identity) or time changed it. That only its lines moved is no hurry. In doubt it is security.
 */
export const urgencyOf = (before: Service | undefined, planned: Instant, mesh: Mesh, now: Instant): Urgency => {
  const service = before && mesh.services.get(before.key);
  if (before === undefined || service === undefined || !saysTheSame(enforced(before), enforced(service)))
    return 'security';
  const passed = changesOf(service).some((moment) => moment > planned !== moment > now);
  return passed ? 'security' : 'rest';
};

/** What changes most often comes first: the comparison ends with the first difference. */
const enforced = ({ identity, ports, rules }: Service) => [identity, rules, ports];

/** Equal but for the places in the file. */
const saysTheSame = (a: unknown, b: unknown): boolean => {
  if (a === b) return true;
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false;
  const keys = Object.keys(a);
  return (
    keys.length === Object.keys(b).length &&
    keys.every(
      (key) => Object.hasOwn(b, key) && (key === 'location' || saysTheSame(Reflect.get(a, key), Reflect.get(b, key))),
    )
  );
};
