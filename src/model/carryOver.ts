import { isDeepStrictEqual } from 'node:util';
import type { Mesh, Service, ServiceKey } from './mesh.ts';

/**
 * `next`, with the very services of `previous` where both say the same. What was planned and encoded for a service
 * hangs on its object, so that after a save only what changed is made again.
 */
export const carryOver = (previous: Mesh, next: Mesh): Mesh => {
  const kept = (key: ServiceKey, service: Service): Service => {
    const before = previous.services.get(key);
    return before !== undefined && isDeepStrictEqual(before, service) ? before : service;
  };
  const services = new Map([...next.services].map(([key, service]) => [key, kept(key, service)]));
  return Object.freeze({ ...next, services });
};
