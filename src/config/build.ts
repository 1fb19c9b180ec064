import type { Location } from '../lib/diagnostic.ts';
import { invariant } from '../lib/errors.ts';
import { parseDuration } from '../lib/time.ts';
import { deepFreeze, readOnlyMap } from '../model/frozen.ts';
import type { Endpoints, Mesh, Mtls, Port, Service, ServiceKey, TrustedDomain, Use } from '../model/mesh.ts';
import { parseTrustDomain, type TrustDomain, workloadId } from '../spiffe/spiffeId.ts';
import { buildRules } from './buildRules.ts';
import { REJOIN, ROOT_LIFE, TTL } from './checks/meshSettings.ts';
import { buildSigner } from './checks/signer.ts';
import type { DeclaredPort, DeclaredService } from './declared.ts';
import { parseMoment } from './forms/moment.ts';
import { modeOf, mtlsFor, type Outline } from './outline.ts';
import { descend, keyOffset, type Place } from './places.ts';
import { revisionOf } from './revision.ts';
import { bundleIn } from './trust.ts';
import { resolveUse, writtenUses } from './uses.ts';

type Locate = (offset: number) => Location;

/** The frozen mesh of a file that passed every check: defaults applied, references resolved, services in key order. */
export const buildMesh = (outline: Outline, locate: Locate): Mesh => {
  const { mesh } = outline.file;
  const trustDomain = checkedDomain(mesh.trustDomain);
  const rulesOf = buildRules({ outline, trustDomain, locate });
  const services = [...outline.services.values()]
    .sort((a, b) => (a.key < b.key ? -1 : 1))
    .map((declared): readonly [ServiceKey, Service] => [
      declared.key,
      {
        key: declared.key,
        namespace: declared.namespace,
        name: declared.name,
        identity: workloadId(trustDomain, declared.namespace, declared.identity),
        labels: { ...declared.spec.labels },
        ports: declared.ports.map((port) => buildPort(outline, declared, port, locate)),
        uses: buildUses(outline, declared, locate),
        endpoints: buildEndpoints(declared),
        rules: rulesOf(declared),
        location: locate(keyOffset(declared.place)),
      },
    ]);
  const trust = buildTrust(outline, locate);
  return deepFreeze({
    revision: revisionOf(
      outline.file,
      trust.map(({ authorities }) => authorities),
    ),
    trustDomain,
    trustDomainAliases: (mesh.trustDomainAliases ?? []).map(checkedDomain),
    trust,
    certificates: {
      ttl: parseDuration(mesh.certificates?.ttl ?? '') ?? TTL.usual,
      curve: mesh.certificates?.curve ?? 'P-256',
      rootLife: parseDuration(mesh.certificates?.rootLife ?? '') ?? ROOT_LIFE.usual,
      ...buildSigner(mesh.certificates?.signer),
    },
    rejoin: parseDuration(mesh.rejoin ?? '') ?? REJOIN.usual,
    services: readOnlyMap(services),
  });
};

const checkedDomain = (name: string): TrustDomain => {
  const trustDomain = parseTrustDomain(name);
  invariant(trustDomain !== undefined, 'trust domains were checked');
  return trustDomain;
};

const buildTrust = ({ file, place, beside }: Outline, locate: Locate): readonly TrustedDomain[] =>
  (file.mesh.trust ?? [])
    .map(({ trustDomain, bundle }, index) => {
      const read = bundleIn(bundle.file, beside);
      invariant(read.ok, 'bundles were checked');
      const { roots, sequence } = read.value;
      return {
        trustDomain: checkedDomain(trustDomain),
        authorities: roots.map(({ pem }) => pem),
        ends: roots.map(({ notAfter }) => notAfter),
        ...(sequence === undefined ? {} : { sequence }),
        file: bundle.file,
        location: locate(descend(place, 'mesh', 'trust', index).valueAt),
      };
    })
    .sort((a, b) => (a.trustDomain < b.trustDomain ? -1 : 1));

const buildPort = (
  outline: Outline,
  service: DeclaredService,
  { name, form, place }: DeclaredPort,
  locate: Locate,
): Port => {
  invariant(form !== undefined && name !== undefined, 'ports were checked');
  return {
    name,
    port: form.port,
    target: form.target,
    protocol: form.protocol,
    mtls: buildMtls(outline, service, { name, form, place, named: 'key', problem: undefined }, locate),
    authorization: buildVerdict(outline, locate),
    pathsMayHold: form.long?.pathsMayHold ?? [],
    // A short form is its value; the long form begins at its key, or at its item in a list.
    location: locate(form.long === undefined ? place.valueAt : keyOffset(place)),
  };
};

const meshLine = (outline: Outline): Place => descend(outline.place, 'mesh');

const buildMtls = (outline: Outline, service: DeclaredService, port: DeclaredPort, locate: Locate): Mtls => {
  const found = mtlsFor(outline, service, port);
  if (found === undefined) return { mode: 'strict', location: locate(keyOffset(meshLine(outline))) };
  const { spec, place } = found;
  const mode = modeOf(spec);
  const location = locate(place.valueAt);
  if (mode !== 'permissive') return { mode, location };
  const until = typeof spec === 'string' || spec.until === undefined ? undefined : parseMoment(spec.until);
  invariant(until !== undefined, 'deadlines were checked');
  return { mode, until, then: 'strict', location };
};

const buildVerdict = (outline: Outline, locate: Locate): Port['authorization'] => {
  const verdict = outline.file.mesh.authorization;
  const mesh = meshLine(outline);
  if (verdict === undefined) return { verdict: 'deny', location: locate(keyOffset(mesh)) };
  return { verdict, location: locate(descend(mesh, 'authorization').valueAt) };
};

const buildUses = (outline: Outline, service: DeclaredService, locate: Locate): readonly Use[] =>
  writtenUses(service).map(({ text, localPort, place, at }) => {
    const found = resolveUse(outline, service, text);
    invariant(found.ok, 'uses were checked');
    return {
      service: found.value.service.key,
      port: found.value.port.form.port,
      localPort,
      location: locate(at === 'key' ? keyOffset(place) : place.valueAt),
    };
  });

const buildEndpoints = ({ spec: { endpoints } }: DeclaredService): Endpoints => {
  if (endpoints === undefined || endpoints === 'auto') return { kind: 'auto' };
  return {
    kind: 'static',
    endpoints: endpoints.map(({ address, ports, mtls }) => ({ address, ports: { ...ports }, mtls: mtls ?? 'sidecar' })),
  };
};
