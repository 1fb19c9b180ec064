import type { Instant } from '../lib/time.ts';
import type { Mesh, Service } from '../model/mesh.ts';

/** The moments at which time alone changes what a service enforces: a permissive port becomes strict, or a grant ends. */
export const changesOf = ({ rules, ports }: Service): readonly Instant[] =>
  [
    ...rules.map(({ until }) => until),
    ...ports.map(({ mtls }) => (mtls.mode === 'permissive' ? mtls.until : undefined)),
  ].filter((moment) => moment !== undefined);

/**
 * The next moment at which time alone changes some plan. `control` plans again then. `undefined` if the file holds no
 * later moment.
 */
export const nextChange = (mesh: Mesh, now: Instant): Instant | undefined => {
  let next: Instant | undefined;
  for (const service of mesh.services.values()) {
    for (const moment of changesOf(service)) {
      if (moment > now && (next === undefined || moment < next)) next = moment;
    }
  }
  return next;
};
