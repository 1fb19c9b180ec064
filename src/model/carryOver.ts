import { isDeepStrictEqual } from 'node:util';
import { newSlices } from '../lib/slices.ts';
import { readOnlyMap } from './frozen.ts';
import type { Mesh, Service, ServiceKey } from './mesh.ts';

/**
 * `next`, with the very services of `previous` where both say the same. What was planned and encoded for a service
 * hangs on its object, so that after a save only what changed is made again. Compares in slices.
 */
export const carryOver = async (previous: Mesh, next: Mesh): Promise<Mesh> => {
  const { pause } = newSlices();
  const services: (readonly [ServiceKey, Service])[] = [];
  for (const [key, service] of next.services) {
    await pause();
    const before = previous.services.get(key);
    services.push([key, before !== undefined && isDeepStrictEqual(before, service) ? before : service]);
  }
  return Object.freeze({ ...next, services: readOnlyMap(services) });
};
