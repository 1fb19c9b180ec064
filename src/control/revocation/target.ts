import type { IssuedCertificate } from '../../ca/issued.ts';
import { err, ok, type Result } from '../../lib/result.ts';
import { type Mesh, ownDomains, type Service, type ServiceKey } from '../../model/mesh.ts';
import { parseSpiffeId, pathOfId, type SpiffeId, trustDomainOf, workloadId } from '../../spiffe/spiffeId.ts';
import type { RevokeRefusal } from './act.ts';

/** Everything that is known of who holds what. */
export type Holders = {
  readonly mesh: Mesh;
  /** Certificates that have not ended. */
  readonly issued: readonly IssuedCertificate[];
  /** Node ids that joined. */
  readonly joined: readonly string[];
};

/** What a revocation is about. */
export type Target = {
  /** The serial, or the SPIFFE ID. */
  readonly what: string;
  readonly ids: readonly SpiffeId[];
  /** Every live certificate of the instances. */
  readonly certificates: readonly IssuedCertificate[];
  readonly instances: readonly string[];
  /** Services that have the identity now, or had it and are gone from the mesh, which they may come back to. */
  readonly services: readonly ServiceKey[];
  /** Does the identity itself go, and with it the join tokens of its services? */
  readonly wholeIdentity: boolean;
};

/** What is meant by a serial (hex, colons allowed), a SPIFFE ID or NS/IDENTITY. */
export const findTarget = (holders: Holders, written: string): Result<Target, RevokeRefusal> => {
  if (written.includes('/')) {
    const id = findIdentity(holders.mesh, written);
    return id.ok ? ofIdentity(holders, id.value) : id;
  }
  const serial = plainSerial(written);
  if (/^[0-9a-f]+$/.test(serial)) return ofSerial(holders, serial);
  return refuse(
    'invalid_request',
    `${JSON.stringify(written)} is neither a serial in hex nor an identity: write NS/IDENTITY or a SPIFFE ID`,
  );
};

/** As Signet writes serials: lower-case hex without colons and sign byte. */
export const plainSerial = (written: string): string =>
  written
    .replaceAll(':', '')
    .toLowerCase()
    .replace(/^0x/, '')
    .replace(/^(00)+(?=.)/, '');

/** `signet status` shows the first twelve digits, which are enough while only one serial has them. */
export const isMeant = (written: string, serial: string): boolean =>
  written === serial || (written.length >= SHOWN && serial.startsWith(written));

const SHOWN = 12;

// Whoever had a certificate could fetch its successors with it, so it never goes alone.
const ofSerial = ({ mesh, issued }: Holders, serial: string): Result<Target, RevokeRefusal> => {
  const [found, ...others] = issued.filter((one) => isMeant(serial, one.serial));
  if (others.length > 0) {
    return refuse(
      'ambiguous_certificate',
      `several certificates have a serial that begins with ${serial}: write all of it`,
    );
  }
  if (found === undefined) {
    return refuse(
      'unknown_certificate',
      `no certificate of a workload that is still valid has the serial ${serial}: \`signet ca list\` shows them all`,
    );
  }
  const certificates = issued.filter(({ instance }) => instance === found.instance);
  const ids = [...new Set(certificates.map(({ id }) => id))];
  const services = servicesOf(mesh, ({ identity }) => ids.some((id) => pathOfId(id) === pathOfId(identity)));
  return ok({ what: found.serial, ids, certificates, instances: [found.instance], services, wholeIdentity: false });
};

const serviceOf = (node: string): ServiceKey => node.slice(0, node.lastIndexOf('/')) as ServiceKey;

const ofIdentity = ({ mesh, issued, joined }: Holders, id: SpiffeId): Result<Target, RevokeRefusal> => {
  // Under whichever name of the mesh it was issued.
  const holding = issued.filter((one) => pathOfId(one.id) === pathOfId(id)).map(({ instance }) => instance);
  const gone = new Set(holding.map(serviceOf).filter((key) => !mesh.services.has(key)));
  const services = [...servicesOf(mesh, (service) => service.identity === id), ...gone];
  if (services.length === 0 && holding.length === 0) {
    return refuse('unknown_identity', `${id} is the identity of no service, and no valid certificate has it`);
  }
  const members = joined.filter((node) => services.some((service) => node.startsWith(`${service}/`)));
  const instances = [...new Set([...holding, ...members])].sort();
  const certificates = issued.filter(({ instance }) => instances.includes(instance));
  const ids = [...new Set([id, ...certificates.map((one) => one.id)])];
  return ok({ what: id, ids, certificates, instances, services, wholeIdentity: true });
};

const findIdentity = (mesh: Mesh, written: string): Result<SpiffeId, RevokeRefusal> => {
  if (written.includes('://')) {
    const id = parseSpiffeId(written);
    if (id === undefined) return refuse('invalid_request', `${JSON.stringify(written)} is not a SPIFFE ID`);
    if (ownDomains(mesh).includes(trustDomainOf(id)))
      return ok(`spiffe://${mesh.trustDomain}${pathOfId(id)}` as SpiffeId);
    return refuse('unknown_identity', `${id} is of another trust domain: its certificates are not issued here`);
  }
  const [namespace = '', name = '', ...more] = written.split('/');
  if (namespace === '' || name === '' || more.length > 0) {
    return refuse(
      'invalid_request',
      `${JSON.stringify(written)} is no identity: write NS/IDENTITY or a SPIFFE ID; of one instance, revoke the serial that \`signet ca list\` shows`,
    );
  }
  const id = workloadId(mesh.trustDomain, namespace, name);
  const isKnown = [...mesh.services.values()].some(({ identity }) => identity === id);
  const service = mesh.services.get(`${namespace}/${name}`);
  if (service === undefined || service.identity === id) return ok(id);
  if (isKnown) {
    return refuse(
      'ambiguous_identity',
      `${written} is an identity, and a service of another one: write ${id}, or ${service.identity}`,
    );
  }
  return refuse('unknown_identity', `the service ${written} has the identity ${service.identity}: write that`);
};

const servicesOf = (mesh: Mesh, test: (service: Service) => boolean): readonly ServiceKey[] =>
  [...mesh.services.values()].filter(test).map(({ key }) => key);

const refuse = (code: RevokeRefusal['code'], message: string): Result<never, RevokeRefusal> => err({ code, message });
