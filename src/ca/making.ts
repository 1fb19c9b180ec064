import type { Curve } from '../features/certificates/spec.ts';
import type { Duration } from '../lib/time.ts';
import type { TrustDomain } from '../spiffe/spiffeId.ts';

/** What the mesh says now of the CAs that are made. */
export type Making = {
  readonly trustDomain: () => TrustDomain;
  readonly curve: () => Curve;
  readonly rootLife: () => Duration;
};
