import type { Instant } from '../lib/time.ts';
import type { Mesh } from '../model/mesh.ts';

/**
 * The next moment at which time alone changes some plan: a permissive port becomes strict, or a grant ends.
 * `control` plans again then. `undefined` if the file holds no later moment.
 */
export const nextChange = (mesh: Mesh, now: Instant): Instant | undefined => {
  let next: Instant | undefined;
  const consider = (moment: Instant | undefined): void => {
    if (moment !== undefined && moment > now && (next === undefined || moment < next)) next = moment;
  };
  for (const service of mesh.services.values()) {
    for (const rule of service.rules) consider(rule.until);
    for (const { mtls } of service.ports) consider(mtls.mode === 'permissive' ? mtls.until : undefined);
  }
  return next;
};
