import type { Instant } from '../lib/time.ts';
import type { Mesh, Service } from '../model/mesh.ts';
import { changesOf } from '../plan/nextChange.ts';
import type { Urgency } from './workQueue.ts';

/**
 * How urgent another mesh or moment is for the sidecars of a service, by what they were planned of and when: `security` if
 * the service itself is another one (its policy, mTLS, identity) or time changed it. That only its lines moved is no
 * hurry. In doubt it is security. Instances of a service are planned of the same one, which is compared once.
 */
export const urgencies = (mesh: Mesh, now: Instant): ((before: Service | undefined, planned: Instant) => Urgency) => {
  const found = new Map<Service, Service | undefined>();
  return (before, planned) => {
    if (before === undefined) return 'security';
    if (!found.has(before)) found.set(before, unchanged(before, mesh));
    const service = found.get(before);
    if (service === undefined) return 'security';
    const passed = changesOf(service).some((moment) => moment > planned !== moment > now);
    return passed ? 'security' : 'rest';
  };
};

/** The service of this mesh, if it enforces the same. */
const unchanged = (before: Service, { services }: Mesh): Service | undefined => {
  const service = services.get(before.key);
  return service !== undefined && saysTheSame(enforced(before), enforced(service)) ? service : undefined;
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
