import { mtlsAt } from '../features/mtls/plan.ts';
import { err, ok, type Result } from '../lib/result.ts';
import { type Instant, iso } from '../lib/time.ts';
import { type Mesh, ownDomains, type Service } from '../model/mesh.ts';
import { type SpiffeId, trustDomainOf } from '../spiffe/spiffeId.ts';
import type { Call, Verdict } from './verdict.ts';

/** A connection that stands: who has proven to be at its other end. */
export type Connection = {
  readonly identity: SpiffeId | undefined;
  readonly takesPlaintext: boolean;
};

/** Does the connection come about at all? mTLS decides before any rule is looked at. */
export const connect = (mesh: Mesh, now: Instant, { from, plaintext, port }: Call): Result<Connection, Verdict> => {
  const mode = mtlsAt(port.mtls, now);
  const { location } = port.mtls;
  if (mode === 'disable') return ok({ identity: undefined, takesPlaintext: true });
  const identity = plaintext ? undefined : identityOf(mesh, from);
  if (identity === undefined) {
    const ended = port.mtls.mode === 'permissive' ? `, permissive ended at ${iso(port.mtls.until)}` : '';
    if (mode === 'permissive') return ok({ identity, takesPlaintext: true });
    return err({ allow: false, reason: `the port is strict and takes no plaintext${ended}`, location });
  }
  const domain = trustDomainOf(identity);
  if (!ownDomains(mesh).includes(domain) && !mesh.trust.some(({ trustDomain }) => trustDomain === domain))
    return err({
      allow: false,
      reason: `certificates of ${domain} are not trusted here (mesh.trust has no entry for it), so the handshake fails`,
    });
  return ok({ identity, takesPlaintext: mode === 'permissive' });
};

const identityOf = (mesh: Mesh, from: Call['from']): SpiffeId | undefined => {
  if (from.kind === 'identity') return from.id;
  return from.kind === 'service' ? mesh.services.get(from.key)?.identity : undefined;
};

/** What to add where an identity stays unproven, because the port takes plaintext only. */
export const unprovenNote = (
  from: Call['from'],
  now: Instant,
  service: Service,
  port: Call['port'],
): string | undefined =>
  from.kind !== 'anyone' && mtlsAt(port.mtls, now) === 'disable'
    ? `mtls is disabled on port ${port.name} of ${service.key}, so nobody proves an identity there`
    : undefined;
